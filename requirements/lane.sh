#!/bin/sh
# Finds the Python of a lane, or gets one: lane.sh CHOSEN [ASKED], the lane that was chosen before, if one was, and the
# one that is asked for.
# Prints three lines: the lane, the Python, and why these. Ends with 2 and one line where there is none.
# lane.sh --has VERSION only says whether there is a Python of a version that its lane can have.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=${here%/*}
chosen=${1:-}
newer="3.13 3.12 3.11 3.10"
# What uv gets goes here, and is gone with the checkout.
own_uv="$root/.uv"
UV_PYTHON_INSTALL_DIR="$own_uv/python"
UV_PYTHON_INSTALL_BIN=0
export UV_PYTHON_INSTALL_DIR UV_PYTHON_INSTALL_BIN
home=${HOME:-/nowhere}

fail() {
    echo "run: $*" >&2
    exit 2
}

say() {
    echo "run: $*" >&2
}

# Prints what `probe.py` says of a Python, or nothing of what does not start, or is another program: that may write
# anything, and without end.
probe() {
    [ -n "$1" ] || return 0
    "$1" "$here/probe.py" 2>/dev/null </dev/null | {
        IFS='' read -r text || true
        case $text in tensorflow[12]" "* | "none "*) echo "$text" ;; esac
    }
}

# The file itself: a link such as `python3` may mean another version tomorrow.
resolved() {
    readlink -f -- "$1" 2>/dev/null || echo "$1"
}

conda_envs=
for conda in "${CONDA_EXE:-}" "$(command -v conda || true)"; do
    [ -z "$conda_envs" ] && [ -n "$conda" ] && conda_envs=$("$conda" info --base 2>/dev/null || true)
done

# Runs a command for every file that may be a Python of a version, best first, until one says yes: VERSION COMMAND...
each() {
    version=$1
    shift
    for python in "$(command -v "python$version" || true)" "$(command -v python3 || true)" \
        "$(command -v python || true)" "${PYENV_ROOT:-$home/.pyenv}/versions/$version".*/bin/python \
        "$UV_PYTHON_INSTALL_DIR/cpython-$version".*/bin/python3 \
        "${XDG_DATA_HOME:-$home/.local/share}/uv/python/cpython-$version".*/bin/python3 \
        "$(UV_PYTHON_DOWNLOADS=never uv python find --no-project "$version" 2>/dev/null || true)" \
        "${CONDA_PREFIX:-/nowhere}/bin/python" "${conda_envs:-/nowhere}"/bin/python "${conda_envs:-/nowhere}"/envs/*/bin/python; do
        [ -x "$python" ] && "$@" "$python" "$version" && return
    done
    return 1
}

fits() {
    case "$(probe "$1")" in "tensorflow"?" $2") resolved "$1" ;; *) return 1 ;; esac
}

find_newer() {
    for each_version in $newer; do
        each "$each_version" fits && return
    done
    return 1
}

# Any Python from 3.8 on can install uv.
is_any() {
    case "$(probe "$1")" in
    '' | "tensorflow1 "* | "none 2."* | "none 3."[0-7]" "* | *"built without"*) return 1 ;;
    *) echo "$1" ;;
    esac
}

find_uv() {
    for uv in "$(command -v uv || true)" "$own_uv/venv/bin/uv"; do
        [ -x "$uv" ] && "$uv" --version >/dev/null 2>&1 && echo "$uv" && return
    done
    any=$(each 3 is_any) || fail "no Python and no uv found. Get one of them: Python 3.10 to 3.13 by your system" \
        "('apt install python3'), or uv by 'curl -LsSf https://astral.sh/uv/install.sh | sh'"
    case "$(why "$any")" in *"TensorFlow is not made for"*) fail "$(why "$any"); use another machine" ;; esac
    say "no Python of a lane found; installing uv, which gets one, into .uv (once)"
    "$any" "$here/install.py" uv "$own_uv" >&2 || fail "uv is not there; get a Python 3.10 to 3.13 by your" \
        "system, or name one in QUANT_ACCURACY_PYTHON"
    echo "$own_uv/venv/bin/uv"
}

last_line() {
    last=
    while IFS='' read -r text; do [ -z "$text" ] || last=$text; done <"$1"
    echo "${last#"${last%%[! ]*}"}"
}

# By uv, which is asked only where no Python was found: VERSION.
get() {
    uv=$(find_uv) || exit 2
    say "no Python $1 found; uv gets one into .uv"
    mkdir -p "$own_uv"
    "$uv" python install --no-progress "$1" >"$own_uv/log" 2>&1 || fail "uv could not get a Python $1" \
        "($(last_line "$own_uv/log")); check the network, get one by your system, or name one in QUANT_ACCURACY_PYTHON." \
        "What uv said is in $own_uv/log"
    each "$1" fits || fail "uv got a Python $1 that is of no use: $(why "$("$uv" python find --no-project "$1")")"
}

why() {
    said=$(probe "$1")
    echo "${said#none * }"
}

answer() {
    case "$(probe "$1")" in tensorflow1*) echo tensorflow1 ;; *) echo tensorflow2 ;; esac
    echo "$1"
    echo "$2"
    exit 0
}

if [ "$chosen" = --has ]; then
    each "$2" fits >/dev/null || exit 1
    exit 0
fi

named=${QUANT_ACCURACY_PYTHON:-}
case $named in
'') ;;
3.7 | 3.1[0-3])
    python=$(each "$named" fits) || python=$(get "$named") || exit 2
    answer "$python" "QUANT_ACCURACY_PYTHON asks for it"
    ;;
[0-9] | [0-9].*) fail "QUANT_ACCURACY_PYTHON=$named is no version of a lane; set it to 3.7, 3.10, 3.11, 3.12 or 3.13" ;;
*)
    python=$(command -v -- "$named" || true)
    said=$(probe "$python")
    case $said in
    tensorflow*) answer "$(resolved "$python")" "QUANT_ACCURACY_PYTHON names it" ;;
    '') fail "QUANT_ACCURACY_PYTHON=$named is not a Python that starts; correct or unset it" ;;
    *) fail "QUANT_ACCURACY_PYTHON=$named cannot be taken: $(why "$python"); name a Python 3.7 or 3.10 to 3.13, or unset it" ;;
    esac
    ;;
esac

case ${2:-} in
tensorflow1)
    python=$(each 3.7 fits) || python=$(get 3.7) || exit 2
    answer "$python" "it was asked for"
    ;;
tensorflow2)
    python=$(find_newer) || python=$(get "${newer%% *}") || exit 2
    answer "$python" "it was asked for"
    ;;
esac
if [ "$chosen" != tensorflow2 ]; then
    python=$(each 3.7 fits) && answer "$python" "a Python 3.7 is there, for TensorFlow 1.15 and AIMET 1.19"
    python=$(find_newer) && answer "$python" "no Python 3.7 found that TensorFlow 1.15 has wheels for"
else
    python=$(find_newer) && answer "$python" "this lane was chosen before"
fi
python=$(get "${newer%% *}") || exit 2
answer "$python" "no Python 3.7, nor one of 3.10 to 3.13 was found"
