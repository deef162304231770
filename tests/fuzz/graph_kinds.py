"""Checkpoints: graphs, and the other files."""

from pathlib import Path
from random import Random

import tensorflow.compat.v1 as tf

from quant_accuracy.base import checkpoint_parts
from quant_accuracy.folding import fold
from quant_accuracy.freezing import load, op_types
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.records import Settings
from tests.fuzz import mutations
from tests.fuzz.graph_mutations import damaged_meta
from tests.fuzz.kind import Kind, at
from tests.fuzz.networks import OUTPUTS, build


def meta_kind(folder: Path) -> Kind:
    """Graphs: harmless ops only, and TensorFlow can build them; what is untouched gives the untouched network."""
    _save(folder)
    graph = tf.MetaGraphDef.FromString((folder / "model.ckpt.meta").read_bytes())
    # TensorFlow writes attributes in any order, and a case has to be the same every time.
    content = graph.SerializeToString(deterministic=True)
    whole = load.load_frozen(folder / "model.ckpt", OUTPUTS).SerializeToString(deterministic=True)
    needed = tf.graph_util.extract_sub_graph(graph.graph_def, OUTPUTS)

    def damage(random: Random) -> bytes:
        if random.randrange(3) == 0:
            return mutations.any_bytes(random, content)
        return damaged_meta(random, graph)

    def use(path: Path) -> None:
        found = load.load_frozen(folder / "model.ckpt", OUTPUTS)
        assert {node.op for node in found.node} <= op_types.HARMLESS
        given = tf.MetaGraphDef.FromString(path.read_bytes())
        if tf.graph_util.extract_sub_graph(given.graph_def, OUTPUTS) == needed and given.saver_def == graph.saver_def \
                and [node for node in given.graph_def.node if node.name.startswith("save/")] \
                == [node for node in graph.graph_def.node if node.name.startswith("save/")]:
            assert found.SerializeToString(deterministic=True) == whole
        folded = fold.fold_batch_norms(Network(found, "start", OUTPUTS))
        placed = placement.place_quantizers(Network(folded.graph, "start", OUTPUTS), Settings())
        assert len({q.tensor for q in placed}) == len(placed)
        with tf.Graph().as_default():
            tf.import_graph_def(folded.graph, name="")

    return Kind(lambda _: folder / "model.ckpt.meta", damage, use)


def index_kind(folder: Path) -> Kind:
    """The other files of a checkpoint: values are finite, and of the stored sizes."""
    _save(folder)
    good = {path.name: path.read_bytes() for path in checkpoint_parts.checkpoint_files(folder / "model.ckpt")}
    whole = load.load_frozen(folder / "model.ckpt", OUTPUTS)
    names = [name for name in good if not name.endswith(".meta")]

    def damage(random: Random) -> bytes:
        # The first byte says which file it is.
        number = random.randrange(len(names))
        return bytes([number]) + mutations.any_bytes(random, good[names[number]])

    def use(path: Path) -> None:
        content = path.read_bytes()
        for name in names:
            (folder / name).write_bytes(content[1:] if name == names[content[0]] else good[name])
        assert load.load_frozen(folder / "model.ckpt", OUTPUTS) == whole

    return Kind(at("part"), damage, use)


def _save(folder: Path) -> None:
    """Write the checkpoint `model.ckpt`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), tf.Session() as session:
        build(tf.Variable)
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / "model.ckpt"))
