"""The kinds of input: a good file of each, ways to damage it, and what a correct result of reading it is."""

import io
import json
import math
import struct
import zlib
from pathlib import Path
from random import Random
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Sequence

import numpy as np
import tensorflow.compat.v1 as tf
import yaml
from PIL import Image

from quant_accuracy import baseline, card, history, matching, scoring
from quant_accuracy import options as project
from quant_accuracy.data import annotations, images, records, shards
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import merge, store
from quant_accuracy.detection.nms import Detections
from quant_accuracy.graph import fold, load, op_types
from quant_accuracy.preparation import coco_tfrecords
from quant_accuracy.quantization import configuration, encodings_file, placement, snapshot
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Settings
from quant_accuracy.reporting import reported
from tests import report_documents
from tests.fuzz import mutations
from tests.fuzz.names import KINDS

_SIZE = (20, 30)
_OUTPUTS = ["boxes", "scores"]


class Kind(NamedTuple):
    """A kind of input.

    Attributes:
        place: Where its file lies in a folder for cases; what belongs to it is made there.
        damage: The content of a damaged file.
        use: Reads the file and checks what comes out.
    """

    place: Callable[[Path], Path]
    damage: Callable[[Random], bytes]
    use: Callable[[Path], None]


def make(folder: Path) -> Mapping[str, Kind]:
    """All kinds, with what their cases need in a folder."""
    return {name: _MAKERS[name](folder / name) for name in KINDS}


def _at(name: str) -> Callable[[Path], Path]:
    return lambda folder: folder / name


def _json_kind(name: str, value: Any, use: Callable[[Path], None]) -> Kind:
    return Kind(_at(name), lambda random: mutations.json_file(random, value), use)


# TFRecords: each image has the size and the bytes that another decoder finds, and no record is passed over.

def _picture(random: Random, form: str) -> bytes:
    pixels = np.frombuffer(bytes(random.randrange(256) for _ in range(_SIZE[0] * _SIZE[1] * 3)), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.reshape(*_SIZE, 3)).save(buffer, form)
    return buffer.getvalue()


def _example(number: int, content: bytes) -> tf.train.Example:
    def of_bytes(*values: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    return tf.train.Example(features=tf.train.Features(feature={
        "image/encoded": of_bytes(content), "image/source_id": of_bytes(str(number).encode()),
        "image/object/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))}))


def framed(content: bytes) -> bytes:
    """A record with the checksums that belong to it."""
    length = struct.pack("<Q", len(content))
    return length + struct.pack("<I", records._masked_crc(length)) + content \
        + struct.pack("<I", records._masked_crc(content))


def _tfrecords(_: Path) -> Kind:
    random = Random(0)
    examples = [_example(7 + number, _picture(random, form)) for number, form in enumerate(("JPEG", "PNG", "JPEG"))]
    return Kind(_at("data/val.record-00000-of-00001"), lambda random: _damaged_records(random, examples), _use_records)


def _damaged_records(random: Random, examples: Sequence[tf.train.Example]) -> bytes:
    kind = random.randrange(4)
    if kind == 0:
        return mutations.any_bytes(random, b"".join(framed(example.SerializeToString()) for example in examples))
    found = []
    chosen = random.randrange(len(examples))
    for number, example in enumerate(examples):
        copy = tf.train.Example.FromString(example.SerializeToString())
        if kind == 1 and number == chosen:
            _damage_features(random, copy)
        content = copy.SerializeToString()
        found.append(framed(mutations.any_bytes(random, content) if kind == 2 and number == chosen else content))
    if kind == 3:
        # A length that has the right checksum.
        length = struct.pack("<Q", random.choice((0, 1, 2 ** 31, 2 ** 40, 2 ** 62, 2 ** 63, 2 ** 64 - 17, 2 ** 64 - 1)))
        found.insert(random.randrange(4), length + struct.pack("<I", records._masked_crc(length)) + b"x" * 20)
    return b"".join(found)


def _damage_features(random: Random, example: tf.train.Example) -> None:
    feature = example.features.feature
    name = random.choice(("image/encoded", "image/source_id"))
    values = feature[name].bytes_list.value
    kind = random.randrange(8)
    if kind == 0:
        del feature[name]
    elif kind == 1:
        del values[:]
    elif kind == 2:
        values.append(values[0])
    elif kind == 3:
        feature[name].int64_list.value.append(2 ** 62)
    elif kind == 4:
        feature[name].float_list.value.append(float("nan"))
    elif kind == 5:
        feature["image/source_id"].bytes_list.value[0] = random.choice((
            b"", b"-1", b"1.5", b"9" * 18, b"9" * 19, b"9" * 100000, b"\xff", "٣".encode(), "²".encode(), b" 7",
            b"0007"))
    elif kind == 6:
        feature["image/encoded"].bytes_list.value[0] = random.choice((bomb("PNG"), bomb("JPEG"), _gif()))
    else:
        encoded = feature["image/encoded"].bytes_list
        encoded.value[0] = mutations.any_bytes(random, encoded.value[0])


def bomb(form: str) -> bytes:
    """A small file that says it is a huge image."""
    buffer = io.BytesIO()
    Image.new("L", (16, 16)).save(buffer, form)
    content = buffer.getvalue()
    if form == "PNG":
        header = b"IHDR" + struct.pack(">II", 12000, 12000) + content[24:29]
        return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    start = content.index(b"\xff\xc0") + 5
    return content[:start] + struct.pack(">HH", 65000, 65000) + content[start + 4:]


def _gif() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (16, 16)).save(buffer, "GIF")
    return buffer.getvalue()


def _use_records(path: Path) -> None:
    (shard,) = shards.find_shards(path.parent, "val.record-*-of-00001")
    batches = list(images.stream([shard], 2, 16, 24))
    ids = [int(image) for batch in batches for image in batch.image_ids]
    sizes = [tuple(size) for batch in batches for size in batch.sizes.tolist()]
    assert images.read_ids(shard) == ids
    encoded = records.read_encoded(path, range(shard.records))
    assert [int(encoded[number].source_id) for number in range(shard.records)] == ids
    assert all(batch.images.dtype == np.uint8 and batch.images.shape[1:] == (16, 24, 3) for batch in batches)
    for number, (height, width) in enumerate(sizes):
        try:
            with Image.open(io.BytesIO(encoded[number].content)) as picture:
                assert picture.size == (width, height)
        except (OSError, SyntaxError, Image.DecompressionBombError):
            # TensorFlow reads some damaged images that Pillow does not.
            assert min(height, width) > 0


# Annotations: figures are what they can be, and every image and every annotation counts.

def _coco() -> Dict[str, Any]:
    boxes = [{"id": number, "image_id": 7 + number % 2, "category_id": 3 + number % 2,
              "bbox": [1.0 + number, 2, 10, 8], "area": 80.0, "iscrowd": int(number == 3)} for number in range(5)]
    return {"info": {"description": "fuzz"}, "licenses": [],
            "images": [{"id": 7 + number, "file_name": f"{number}.png", "width": _SIZE[1], "height": _SIZE[0]}
                       for number in range(2)],
            "annotations": boxes, "categories": [{"id": 3, "name": "car"}, {"id": 4, "name": "bus"}]}


def _annotations(folder: Path) -> Kind:
    return _json_kind("instances.json", _coco(), _use_annotations)


def _use_annotations(path: Path) -> None:
    truth = annotations.load(path)
    found = [Detections(np.array([[0.1, 0.1, 0.5, 0.5], [0.0, 0.0, 0.9, 0.9]], np.float32),
                        np.array([0.9, 0.4], np.float32), np.array([3, 4], np.int32))] * 2
    part = store.gather([np.array([7, 8])], [np.array([_SIZE, _SIZE])], found)
    merged = merge.merge([(Shard(0, path, 2, 2), part)], truth)
    metrics = scoring.score_matches(matching.match(merged, truth), truth, len(merged.results))
    assert metrics.images == 2
    assert sorted(metrics.per_class) == sorted(truth.categories.values())
    for value in (*metrics.figures.values(), *metrics.per_class.values()):
        assert value is None or 0.0 <= value <= 1.0
    assert sum(map(len, truth.by_image().values())) == len(truth.document["annotations"])


# The same file where it is converted: what is written can be read, and holds every image.

def _images(folder: Path) -> Kind:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(2):
        (folder / f"{number}.png").write_bytes(_picture(Random(number), "PNG"))

    def use(path: Path) -> None:
        for old in folder.glob("out.record*"):
            old.unlink()
        converted = coco_tfrecords.convert(folder, path, folder / "out.record", 2)
        found = shards.find_shards(folder, "out.record-*-of-00002")
        ids = [image for shard in found for image in images.read_ids(shard)]
        assert sorted(ids) == sorted(annotations.load(path).images)
        assert len(converted.dropped) + converted.boxes == len(annotations.load(path).document["annotations"])

    return _json_kind("coco.json", _coco(), use)


# Model cards and quantizer configurations: values are those that may be, and can be written and read again.

def _card(_: Path) -> Kind:
    text = (card.FOLDER / f"{project.DEMO_CARD}.yaml").read_text(encoding="utf-8")
    document = {**yaml.safe_load(text), "quantization": {
        "scheme": "tf", "param_bitwidth": 8, "output_bitwidth": 8,
        "overrides": {"concat:0": {"bitwidth": 16, "symmetric": True, "enabled": True}}}}

    def damage(random: Random) -> bytes:
        kind = random.randrange(6)
        if kind == 0:
            return mutations.any_bytes(random, text.encode())
        if kind == 1:
            return random.choice(_ODD_YAML).replace("CARD", text).encode()
        # JSON is YAML; what JSON cannot say comes as the bytes of YAML.
        content = mutations.as_text(mutations.document(random, document))
        return mutations.any_bytes(random, content) if kind == 2 else content

    return Kind(_at("card.yaml"), damage, _use_card)


_LAUGHS = "\n".join([f"l0: &l0 {['ha'] * 9}",
                     *(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 12))])
_ODD_YAML = (
    "CARD\nassumptions: !!python/object/apply:os.system ['touch /tmp/fuzzed']\n", "name: !!python/name:os.system\nCARD",
    f"{_LAUGHS}\nCARD", "gates: &a {mAP_floor: *a}\nCARD", f"{_LAUGHS}\nname: *l11\n", "CARD\n" * 2,
    "--- \nCARD\n---\nCARD",
    "? [a, b]\n: c\nCARD", "1: 2\nCARD", "name: 2019-01-03\n", "name: !!binary aGFsbG8=\n", "<<: {name: x}\nCARD",
    "CARD\ninput: {height: 0x7fffffffffffffff, width: 1e3}\n", "CARD\ncalibration: {images: 1:30:00}\n", "&a [*a]\n",
    "CARD\n" + "[" * 5000, "CARD\nname: " + "9" * 50000 + "\n", "%YAML 9.9\n---\nCARD", "\t", "name: \"\\ud800\"\nCARD",
    "CARD\ndata: {pattern: \"\\0\"}\n", "CARD\nquantization: {config: ../../../../etc/passwd}\n",
    "CARD\nquantization: {config: \"a\\0b\"}\n", "CARD\nquantization: {config: /dev/null}\n",
)


def _use_card(path: Path) -> None:
    found = card.load(str(path))
    assert 1 <= found.height <= 4096
    assert 1 <= found.width <= 4096
    assert 1 <= found.calibration_images <= 100000
    assert 2 <= found.quantization.param_bitwidth <= 16
    assert 2 <= found.quantization.output_bitwidth <= 16
    assert all(gate.limit is None or math.isfinite(gate.limit) for gate in found.gates)
    assert found.label().startswith(found.name)
    assert "/" not in found.label()
    assert found.graph.output_ops
    assert all(isinstance(value, str) for value in found.data.values())


def _configuration(_: Path) -> Kind:
    rule = {"is_input_quantized": "True", "is_output_quantized": "True", "is_symmetric": "False"}
    document = {
        "defaults": {"ops": dict(rule), "params": {"is_quantized": "True", "is_symmetric": "True"},
                     "strict_symmetric": "False", "unsigned_symmetric": "True", "per_channel_quantization": "False"},
        "params": {"bias": {"is_quantized": "False"}, "weight": {"is_symmetric": "True"}},
        "op_type": {"Conv": {**rule, "params": {"weight": {"is_quantized": "True"}}}, "Add": dict(rule)},
        "supergroups": [{"op_list": ["Conv", "Relu"]}, {"op_list": ["Add", "Relu"]}],
        "model_input": {"is_input_quantized": "True"}, "model_output": {"is_output_quantized": "True"}}
    graph = _network()

    def use(path: Path) -> None:
        found = configuration.load(path)
        placed = placement.place_quantizers(graph, "start", _OUTPUTS, Settings(configuration=found))
        assert {q.kind for q in placed} <= {PARAM, ACTIVATION}
        assert len({q.name for q in placed}) == len(placed)
        configuration.write(path.with_name("again.json"), found)
        assert configuration.load(path.with_name("again.json")) == found

    return _json_kind("configuration.json", document, use)


# Encodings: numbers that can be used, for quantizers that are there.

def _encodings(folder: Path) -> Kind:
    def item(low: float, high: float) -> Dict[str, Any]:
        return {"bitwidth": 8, "is_symmetric": "False", "max": high, "min": low, "offset": -10.0,
                "scale": (high - low) / 255}

    quantizers = placement.place_quantizers(_network(), "start", _OUTPUTS, Settings())
    document = {"version": encodings_file.VERSION,
                **{section: {q.tensor: [item(-1.0, 2.0)] for q in quantizers if q.enabled and q.kind == kind}
                   for kind, section in ((ACTIVATION, "activation_encodings"), (PARAM, "param_encodings"))}}

    def use(path: Path) -> None:
        stored = encodings_file.read(path)
        for kind in ([PARAM], [PARAM, ACTIVATION]):
            found = encodings_file.matching(stored, quantizers, kind)
            assert set(found) == {q.tensor for q in quantizers if q.enabled and q.kind in kind}
            for encoding in (encoding for items in found.values() for encoding in items):
                assert -math.inf < encoding.minimum < encoding.maximum < math.inf
                assert encoding.scale > 0
                assert encoding.bitwidth == 8
                assert abs(encoding.offset) <= 2 ** 32

    return _json_kind("model.encodings", document, use)


# Graphs: of harmless ops only, and such that TensorFlow can build them; the untouched part gives the untouched network.

def _network() -> tf.GraphDef:
    with tf.Graph().as_default() as graph:
        _build(tf.constant)
    return graph.as_graph_def()


def _build(weights: Callable[..., tf.Tensor]) -> None:
    random = np.random.RandomState(0)
    image = tf.placeholder(tf.uint8, [None, 8, 8, 3], name="image_tensor")
    start = tf.identity(tf.cast(image, tf.float32) / 128.0, name="start")
    kernel = weights(random.normal(size=(3, 3, 3, 4)).astype(np.float32), name="net/weights")
    conv = tf.nn.conv2d(start, kernel, 1, "SAME", name="net/Conv2D")
    norm = [weights(random.uniform(0.5, 2.0, size=4).astype(np.float32), name=f"net/norm/{name}")
            for name in ("gamma", "beta", "mean", "variance")]
    relu = tf.nn.relu6(tf.nn.fused_batch_norm(conv, *norm, is_training=False, name="net/FusedBatchNorm")[0])
    flat = tf.reshape(relu, tf.stack([tf.shape(relu)[0], 64, 4]))
    tf.concat([flat, flat], axis=1, name="boxes")
    tf.nn.sigmoid(tf.while_loop(lambda i, _: i < 2, lambda i, x: (i + 1, x + flat), [0, flat])[1], name="scores")


def _meta(folder: Path) -> Kind:
    folder.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), tf.Session() as session:
        _build(tf.Variable)
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / "model.ckpt"))
    content = (folder / "model.ckpt.meta").read_bytes()
    graph = tf.MetaGraphDef.FromString(content)
    whole = load.load_frozen(folder / "model.ckpt", _OUTPUTS).SerializeToString(deterministic=True)
    needed = tf.graph_util.extract_sub_graph(graph.graph_def, _OUTPUTS)

    def damage(random: Random) -> bytes:
        if random.randrange(3) == 0:
            return mutations.any_bytes(random, content)
        return damaged_meta(random, graph)

    def use(path: Path) -> None:
        found = load.load_frozen(folder / "model.ckpt", _OUTPUTS)
        assert {node.op for node in found.node} <= op_types.HARMLESS
        given = tf.MetaGraphDef.FromString(path.read_bytes())
        if tf.graph_util.extract_sub_graph(given.graph_def, _OUTPUTS) == needed and given.saver_def == graph.saver_def \
                and [node for node in given.graph_def.node if node.name.startswith("save/")] \
                == [node for node in graph.graph_def.node if node.name.startswith("save/")]:
            assert found.SerializeToString(deterministic=True) == whole
        folded = fold.fold_batch_norms(found, "start", _OUTPUTS)
        placed = placement.place_quantizers(folded.graph, "start", _OUTPUTS, Settings())
        assert len({q.tensor for q in placed}) == len(placed)
        with tf.Graph().as_default():
            tf.import_graph_def(folded.graph, name="")

    return Kind(lambda _: folder / "model.ckpt.meta", damage, use)


def damaged_meta(random: Random, graph: tf.MetaGraphDef) -> bytes:
    """A graph with some of its ops, inputs, attributes, constants and records damaged, still a valid message."""
    meta = tf.MetaGraphDef.FromString(graph.SerializeToString())
    for _ in range(random.choice((1, 1, 2, 5))):
        nodes = meta.graph_def.node
        if nodes:
            random.choice(_GRAPH_DAMAGE)(random, meta, random.choice(nodes), random.choice(nodes))
    return bytes(meta.SerializeToString())


def _change_op(random: Random, _: tf.MetaGraphDef, node: tf.NodeDef, other: tf.NodeDef) -> None:
    node.op = random.choice((other.op, "Const", "Placeholder", "Identity", "Relu", "NoOp", "ReadFile", "Nothing", "",
                             "VariableV2", "VarHandleOp", "ReadVariableOp", "Conv2D", "FusedBatchNormV3", "Enter",
                             random.choice(sorted(op_types.HARMLESS))))


def _change_input(random: Random, _: tf.MetaGraphDef, node: tf.NodeDef, other: tf.NodeDef) -> None:
    new = random.choice((other.name, f"{other.name}:1", f"{other.name}:99999999999", f"{other.name}:x",
                         f"^{other.name}", node.name, "", "^", ":0", "nothing", "a:b:c"))
    if node.input and random.randrange(3):
        node.input[random.randrange(len(node.input))] = new
    else:
        node.input.append(new)


def _drop_input(random: Random, _: tf.MetaGraphDef, node: tf.NodeDef, __: tf.NodeDef) -> None:
    if node.input:
        del node.input[random.randrange(len(node.input))]


def _change_attribute(random: Random, _: tf.MetaGraphDef, node: tf.NodeDef, other: tf.NodeDef) -> None:
    if not node.attr:
        return
    name = random.choice(sorted(node.attr))
    attr = node.attr[name]
    kind = random.randrange(8)
    if kind == 0:
        del node.attr[name]
    elif kind == 1 and other.attr:
        attr.CopyFrom(other.attr[random.choice(sorted(other.attr))])
    elif kind == 2:
        attr.i = random.choice((0, -1, 2 ** 31, 2 ** 62, -2 ** 63))
    elif kind == 3:
        attr.type = random.choice((0, 1, 3, 7, 9, 20, 21, 101, 999))
    elif kind == 4:
        attr.s = random.choice((b"", b"VALID", b"\xff\xfe", b"x" * 10000))
    elif kind == 5:
        attr.f = random.choice((float("nan"), float("inf"), -1.0))
    elif kind == 6:
        attr.list.i.extend(random.choice(([], [0], [1, 0, 0, 1], [2 ** 40] * 4, [1] * 1000)))
    else:
        attr.shape.dim.add(size=random.choice((-2, 0, 2 ** 62)))


def _change_constant(random: Random, meta: tf.MetaGraphDef, _: tf.NodeDef, __: tf.NodeDef) -> None:
    node = random.choice([node for node in meta.graph_def.node if node.op == "Const"] or [tf.NodeDef()])
    tensor = node.attr["value"].tensor
    kind = random.randrange(6)
    if kind == 0:
        tensor.tensor_shape.dim.add(size=random.choice((-1, 0, 2, 10 ** 6, 2 ** 31, 2 ** 40, 2 ** 62)))
    elif kind == 1 and tensor.tensor_shape.dim:
        tensor.tensor_shape.dim[0].size = random.choice((-1, 0, 1, 7, 10 ** 7, 10 ** 9, 2 ** 62))
    elif kind == 2:
        tensor.tensor_content = mutations.any_bytes(random, tensor.tensor_content)
    elif kind == 3:
        tensor.dtype = random.choice((0, 1, 3, 7, 9, 23, 999))
    elif kind == 4:
        tensor.ClearField("tensor_content")
        tensor.int_val.append(random.choice((-1, 0, 2 ** 31 - 1)))
    else:
        tensor.string_val.append(b"\xff")


def _change_nodes(random: Random, meta: tf.MetaGraphDef, node: tf.NodeDef, other: tf.NodeDef) -> None:
    kind = random.randrange(4)
    if kind == 0:
        meta.graph_def.node.remove(node)
    elif kind == 1:
        meta.graph_def.node.add().CopyFrom(node)
    elif kind == 2:
        node.name = random.choice((other.name, "", "/", "a b", "x" * 10000, "é", "a:0", "^a"))
    else:
        node.device = random.choice(("/gpu:7", "/job:worker/task:9", "nowhere", "\0"))


def _change_records(random: Random, meta: tf.MetaGraphDef, node: tf.NodeDef, other: tf.NodeDef) -> None:
    kind = random.randrange(5)
    if kind == 0:
        meta.saver_def.restore_op_name = random.choice((node.name, "", "nothing"))
    elif kind == 1:
        meta.saver_def.filename_tensor_name = random.choice((node.name, "", "nothing"))
    elif kind == 2 and "variables" in meta.collection_def:
        values = meta.collection_def["variables"].bytes_list.value
        values[0] = mutations.any_bytes(random, values[0])
    elif kind == 3:
        meta.graph_def.versions.producer = random.choice((0, -1, 5, 10 ** 6))
        meta.graph_def.versions.min_consumer = random.choice((0, 10 ** 6))
    else:
        function = meta.graph_def.library.function.add()
        function.signature.name = random.choice(("f", "Relu6", ""))
        function.node_def.add().CopyFrom(other)


_GRAPH_DAMAGE = (_change_op, _change_input, _change_input, _drop_input, _change_attribute, _change_attribute,
                 _change_attribute, _change_constant, _change_constant, _change_nodes, _change_records)


# The other files of a checkpoint: values are finite, and of the stored sizes.

def _index(folder: Path) -> Kind:
    folder.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), tf.Session() as session:
        _build(tf.Variable)
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / "model.ckpt"))
    good = {path.name: path.read_bytes() for path in load.checkpoint_files(folder / "model.ckpt")}
    whole = load.load_frozen(folder / "model.ckpt", _OUTPUTS)
    names = [name for name in good if not name.endswith(".meta")]

    def damage(random: Random) -> bytes:
        # The first byte says which file it is.
        number = random.randrange(len(names))
        return bytes([number]) + mutations.any_bytes(random, good[names[number]])

    def use(path: Path) -> None:
        content = path.read_bytes()
        for name in names:
            (folder / name).write_bytes(content[1:] if name == names[content[0]] else good[name])
        assert load.load_frozen(folder / "model.ckpt", _OUTPUTS) == whole

    return Kind(_at("part"), damage, use)


# What earlier runs left.

def _snapshot(_: Path) -> Kind:
    def use(path: Path) -> None:
        placed = snapshot.read(path)
        assert not snapshot.differences(placed, placed)
        assert all(math.isfinite(drift.change) for drift in snapshot.drifts(placed, placed))

    return _json_kind("quantizers.json", report_documents.quantizers(), use)


def _baseline(_: Path) -> Kind:
    folder = project.ROOT / "baselines" / project.DEMO_CARD

    def use(path: Path) -> None:
        found = baseline.read(path.parent)
        assert found is not None
        for metrics in found.metrics.values():
            assert all(value is None or 0 <= value <= 1 for value in metrics.figures.values())
        if "NaN" in json.dumps(found.provenance):
            # It differs from all, itself included: never taken for the same.
            return
        assert not baseline.other_data(found, found.provenance, True)
        assert not baseline.other_origin(found, found.provenance)
        assert all(math.isfinite(value) for values in found.jitter.figures.values() for value in values)

    return _json_kind("baseline/figures.json", json.loads((folder / "figures.json").read_text()), use)


def _history(_: Path) -> Kind:
    line = {"schema_version": 1, "time": "2019-10-15T12:00:00Z", "model": "m", "images": 40, "shards": "0-3",
            "float_map": 0.5, "quantized_map": 0.49, "drop": 0.01, "outcomes": {"pass": 3},
            "provenance": {"data": {"shards": {"a": "b"}}, "versions": {"numpy": "1"}}}

    def damage(random: Random) -> bytes:
        lines = [mutations.json_file(random, line).replace(b"\n", b" ") if random.randrange(2)
                 else mutations.as_text(line) for _ in range(3)]
        return b"\n".join(lines)

    def use(path: Path) -> None:
        found = history.read(path)
        assert len(found) <= path.read_bytes().count(b"\n") + 1
        assert all(entry.float_map is None or 0 <= entry.float_map <= 1 for entry in found)

    return Kind(_at("history.jsonl"), damage, use)


def _report(_: Path) -> Kind:
    def use(path: Path) -> None:
        found = reported.read_run(path)
        assert set(found.metrics) == {"float", "quantized"}
        assert found.drop() is None or abs(float(found.drop() or 0.0)) <= 1

    whole = report_documents.document()
    whole["provenance"].setdefault("data", {}).update(annotations="a" * 64)
    return _json_kind("report.json", json.loads(json.dumps(whole)), use)


def _results(_: Path) -> Kind:
    rows: List[Dict[str, Any]] = [{"image_id": 7 + n, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5, "category_id": 3}
                                  for n in range(4)]

    def use(path: Path) -> None:
        table = reported.read_detections(path)
        assert table.shape[1] == 7
        assert np.isfinite(table).all()

    return _json_kind("float.json", rows, use)


def _detections(folder: Path) -> Kind:
    folder.mkdir(parents=True, exist_ok=True)
    found = [Detections(np.array([[0.1, 0.1, 0.5, 0.5]], np.float32), np.array([0.9], np.float32),
                        np.array([3], np.int32))] * 2
    part = store.gather([np.array([7, 8])], [np.array([_SIZE, _SIZE])], found)
    store.save(folder / "good.npz", part)
    content = (folder / "good.npz").read_bytes()

    def use(path: Path) -> None:
        again = store.load(path)
        for name, dtype in store._FIELDS.items():
            assert getattr(again, name).dtype == dtype
            assert np.array_equal(getattr(again, name), getattr(part, name))

    return Kind(_at("shard.npz"), lambda random: mutations.any_bytes(random, content), use)


_MAKERS: Mapping[str, Callable[[Path], Kind]] = {
    "tfrecords": _tfrecords, "annotations": _annotations, "images": _images, "card": _card, "encodings": _encodings,
    "configuration": _configuration, "meta": _meta, "index": _index, "snapshot": _snapshot, "baseline": _baseline,
    "history": _history, "report": _report, "results": _results, "detections": _detections}
