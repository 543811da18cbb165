"""Compares weights files as HDF5 trees: groups, links, attributes with their types, dataset types,
layout and bytes. Where objects lie inside the file is the writer's own business."""

import json
import pathlib
import re

import h5py
import numpy as np


def _string_type(attribute_type):
    charset = {h5py.h5t.CSET_ASCII: "ascii", h5py.h5t.CSET_UTF8: "utf-8"}[attribute_type.get_cset()]
    padding = {h5py.h5t.STR_NULLTERM: "nullterm", h5py.h5t.STR_NULLPAD: "nullpad",
               h5py.h5t.STR_SPACEPAD: "spacepad"}[attribute_type.get_strpad()]
    size = "variable" if attribute_type.is_variable_str() else attribute_type.get_size()
    return f"string {size} {padding} {charset}"


def describe_type(h5_type):
    """A dtype in words that tell apart everything that a reader may stumble on."""
    kind = h5_type.get_class()
    if kind == h5py.h5t.STRING:
        return _string_type(h5_type)
    if kind == h5py.h5t.OPAQUE:
        return f"opaque {h5_type.get_size()} tag={h5_type.get_tag()!r}"
    if kind == h5py.h5t.ENUM:
        members = [(h5_type.get_member_name(i), h5_type.get_member_value(i)) for i in range(h5_type.get_nmembers())]
        return f"enum of {describe_type(h5_type.get_super())} {members}"
    order = {h5py.h5t.ORDER_LE: "le", h5py.h5t.ORDER_BE: "be"}[h5_type.get_order()]
    if kind == h5py.h5t.INTEGER:
        sign = "signed" if h5_type.get_sign() == h5py.h5t.SGN_2 else "unsigned"
        return f"integer {sign} {h5_type.get_size()} {order} precision={h5_type.get_precision()} offset={h5_type.get_offset()}"
    if kind == h5py.h5t.FLOAT:
        return (f"float {h5_type.get_size()} {order} fields={h5_type.get_fields()} bias={h5_type.get_ebias()} "
                f"norm={h5_type.get_norm()} precision={h5_type.get_precision()} offset={h5_type.get_offset()}")
    raise ValueError(f"HDF5 class {kind} has no place in a weights file")


def _space(space):
    kind = {h5py.h5s.SCALAR: "scalar", h5py.h5s.SIMPLE: "simple", h5py.h5s.NULL: "null"}[space.get_simple_extent_type()]
    return f"{kind} {space.get_simple_extent_dims()} max={space.get_simple_extent_dims(True)}"


def _attributes(item):
    found = {}
    for name in item.attrs:
        attribute = item.attrs.get_id(name)
        value = item.attrs[name]
        found[name] = (describe_type(attribute.get_type()), _space(attribute.get_space()),
                       value if isinstance(value, str) else np.asarray(value).tobytes())
    return found


def _dataset_bytes(dataset):
    """The elements' bytes as they lie in the file: no conversion gets in between."""
    if dataset.id.get_storage_size() == 0:
        return b""
    array = np.empty(dataset.shape, np.dtype(f"V{dataset.id.get_type().get_size()}"))
    dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, array, dataset.id.get_type())
    return array.tobytes()


def _describe(item):
    if isinstance(item, h5py.Group):
        return ("group", _attributes(item))
    plist = item.id.get_create_plist()
    layout = {h5py.h5d.CONTIGUOUS: "contiguous", h5py.h5d.CHUNKED: "chunked", h5py.h5d.COMPACT: "compact"}
    return ("dataset", _attributes(item), describe_type(item.id.get_type()), _space(item.id.get_space()),
            layout[plist.get_layout()], plist.get_nfilters(), _dataset_bytes(item))


def describe_file(path):
    """{path of object: description} of everything in the file, reached by hard links only."""
    found = {}

    def walk(group, path):
        found[path] = _describe(group)
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                found[f"{path}{name}"] = (type(link).__name__,)
            elif isinstance(group[name], h5py.Group):
                walk(group[name], f"{path}{name}/")
            else:
                found[f"{path}{name}"] = _describe(group[name])

    with h5py.File(path, "r") as file:
        walk(file, "/")
    return found


SEAL = ["/lamina/seal/", *(f"/lamina/seal/{key}" for key in ("save", "shard", "crc32c"))]
INDEX_SEAL = re.compile(r',\n        "lamina": \{\n            "save": "[0-9a-f]{32}",\n            "crc32c": "[0-9a-f]{8}"\n        \}')


def without_seal(description):
    """The description of a file without exactly what sealing adds to it."""
    if "/lamina/seal/" not in description:
        return description
    types = [description[path][2:4] for path in SEAL[1:3]]
    assert types == [("integer unsigned 1 le precision=8 offset=0", "simple (16,) max=(16,)"),
                     ("integer unsigned 4 le precision=32 offset=0", "simple (2,) max=(2,)")], types
    left = {path: found for path, found in description.items() if path not in SEAL}
    if not any(path.startswith("/lamina/") and path != "/lamina/" for path in left):
        assert left.pop("/lamina/") == ("group", {})
    return left


def index_without_seal(text):
    return INDEX_SEAL.sub("", text, count=1)


def file_differences(left, right):
    """What differs between two weights files, their seals apart, a line each; empty when nothing does."""
    a, b = (without_seal(describe_file(path)) for path in (left, right))
    lines = [f"{path}: only in {left}" for path in a.keys() - b.keys()]
    lines += [f"{path}: only in {right}" for path in b.keys() - a.keys()]
    lines += [f"{path}: {_shorten(a[path])} against {_shorten(b[path])}" for path in a.keys() & b.keys() if a[path] != b[path]]
    return sorted(lines)


def _shorten(description):
    return [part[:16] if isinstance(part, bytes) else part for part in description]


def checkpoint_files(path):
    """The files of one save: the file itself, or the index and the shards that it lists."""
    path = pathlib.Path(path)
    if path.suffix != ".json":
        return [path]
    shards = {}
    for value in json.loads(path.read_text())["weight_map"].values():
        shards.update(dict.fromkeys([value] if isinstance(value, str) else value))
    return [path] + [path.with_name(name) for name in shards]


def checkpoint_differences(left, right):
    """Compares two saves in directories of their own, their seals apart: the same file names, the same
    index to the byte, the same trees."""
    left, right = pathlib.Path(left), pathlib.Path(right)
    names = [sorted(p.name for p in folder.iterdir()) for folder in (left, right)]
    lines = [] if names[0] == names[1] else [f"files {names[0]} against {names[1]}"]
    for name in sorted(set(names[0]) & set(names[1])):
        if name.endswith(".json"):
            texts = [index_without_seal((folder / name).read_bytes().decode()) for folder in (left, right)]
            if texts[0] != texts[1]:
                lines.append(f"{name}: {texts[0]} against {texts[1]}")
        else:
            lines += file_differences(left / name, right / name)
    return lines
