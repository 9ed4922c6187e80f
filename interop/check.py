"""Do other people's Cap'n Proto tools read a segment, and do they read what Kapok reads?

Every record of a store's record type is decoded four ways: the JSON lines that it was published from, `kapok export`,
`capnp convert binary:json` and pycapnp, the last two by the schema that `kapok schema` prints. All four must agree.

What the tools print in other ways than Kapok, and what is therefore brought into one form before it is compared:

* Both show `nullOf` flags and map entries as the plain fields that they are to them.
* capnp prints 64-bit integers as texts, Data as lists of numbers, -0.0 as 0, a null union member as an empty one, and
  leaves out a null Text that has a default, where Kapok prints the default.
* In a list of pointers neither tool tells null from empty; as fields, both do, and so do the lines and the export.
* Floats are compared by their bits, in the width of their field.

Exits 1 at the first difference and names it.
"""

import argparse
import base64
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import capnp

JSON_NAME, NULL_OF, MAP = 0xFA5B1FD61C2E7C3D, 0xDF34B6C854D9FCF2, 0xFB88118952F87590
POINTERS = {"text", "data", "list", "struct"}
NO_DISCRIMINANT = 0xFFFF
UNLIMITED = 2**63 - 1


class Difference(Exception):
    """Two readers do not agree, or one printed what no reader should."""


class Field:
    """A field of a struct or group, as the printed schema declares it."""

    def __init__(self, name, field):
        proto = field.proto
        notes = {note.id: note.value for note in proto.annotations}
        self.name = name
        self.json_name = notes[JSON_NAME].text if JSON_NAME in notes else name
        self.null_of = notes[NULL_OF].text if NULL_OF in notes else None
        self.is_map = MAP in notes
        self.discriminant = None if proto.discriminantValue == NO_DISCRIMINANT else proto.discriminantValue
        self.default = None
        if proto.which() == "group":
            self.kind, self.of = "group", field.schema
        else:
            self.kind, self.of = kind_of(proto.slot.type, lambda: field.schema)
            if self.kind in POINTERS and proto.slot.hadExplicitDefault:
                if self.kind != "text":
                    raise SystemExit(f"{name}: a default of kind {self.kind} is more than this check knows")
                self.default = proto.slot.defaultValue.text

    @property
    def is_pointer(self):
        return self.kind in POINTERS


def kind_of(type_proto, schema):
    """The kind of a type, and its struct's fields or its elements' kind."""
    kind = type_proto.which()
    if kind == "list":
        element = type_proto.list.elementType
        return kind, kind_of(element, lambda: schema().elementType)
    return kind, schema() if kind == "struct" else None


FIELDS = {}


def fields_of(schema):
    """The fields of a struct or group, by its id."""
    node_id = schema.node.id
    if node_id not in FIELDS:
        FIELDS[node_id] = [Field(name, field) for name, field in schema.fields.items()]
        flagged = {field.null_of for field in FIELDS[node_id]}
        for field in FIELDS[node_id]:
            is_member = field.discriminant is not None
            field.may_be_null = is_member or field.name in flagged or field.kind in (*POINTERS, "void")
    return FIELDS[node_id]


def number(kind, value, tells_signed_zero):
    if kind in ("float32", "float64"):
        value = float(value.replace("Infinity", "inf")) if isinstance(value, str) else float(value)
        if value != value:
            return "NaN"
        if value == 0 and not tells_signed_zero:
            value = 0.0
        return struct.pack("<f", value) if kind == "float32" else struct.pack("<d", value)
    if kind == "bool":
        if not isinstance(value, bool):
            raise Difference(f"{value!r} is no Bool")
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise Difference(f"{value!r} is no integer")
    return value


EMPTY = {"text": "", "data": b"", "list": ()}


class Reader:
    """Brings what one tool says of a record into the one form: a dict by JSON names without nulls, but for a union's
    active member."""

    tells_signed_zero = True
    tells_null_members = True

    def struct(self, schema, value):
        out, members, flags = {}, [], set()
        for field in fields_of(schema):
            if field.discriminant is not None:
                members.append(field)
            elif field.null_of:
                if self.flag(field, value):
                    flags.add(field.null_of)
            elif field.kind != "void":
                out[field.name] = self.field(field, value)
        if members:
            active = self.active(members, value)
            out[active.name] = self.field(active, value)
            if out[active.name] is None and not self.tells_null_members:
                out[active.name] = EMPTY.get(active.kind)
        for name in flags:
            out[name] = None
        kept = [field for field in fields_of(schema) if field.name in out]
        active_name = active.name if members else None
        return {f.json_name: out[f.name] for f in kept if out[f.name] is not None or f.name == active_name}

    def flag(self, field, value):
        raise NotImplementedError

    def value(self, kind, of, value):
        if value is None:
            return None
        if kind == "text":
            return value
        if kind == "data":
            return self.data(value)
        if kind in ("struct", "group"):
            return self.struct(of, value)
        if kind == "enum":
            return str(value)
        if kind == "list":
            return tuple(self.element(*of, element) for element in value)
        return None if kind == "void" else number(kind, value, self.tells_signed_zero)

    def element(self, kind, of, value):
        if value is None and kind in EMPTY:
            return EMPTY[kind]
        return self.value(kind, of, value)

    def map(self, field, entries):
        """Entries of a map: the structs that they are, as a dict."""
        out = {}
        for entry in entries:
            entry = self.struct(field.of[1], entry)
            out[entry["key"]] = entry.get("value")
        return out

    def list_or_map(self, field, value):
        if field.is_map and value is not None:
            return self.map(field, value)
        return self.value(field.kind, field.of, value)


class KapokJson(Reader):
    """`kapok export`, as a tool that tells less apart would show it."""

    def __init__(self, tool):
        self.tells_signed_zero = tool.tells_signed_zero
        self.tells_null_members = tool.tells_null_members

    def struct(self, schema, value):
        known = {f.json_name for f in fields_of(schema) if not f.null_of}
        unknown = set(value) - known
        if unknown:
            raise Difference(f"field {unknown.pop()!r} is not in the schema")
        return super().struct(schema, value)

    def flag(self, field, value):
        return False

    def active(self, members, value):
        present = [field for field in members if field.json_name in value]
        if len(present) != 1:
            raise Difference(f"{len(present)} members of a union instead of 1")
        return present[0]

    def field(self, field, value):
        if field.json_name not in value:
            if not field.may_be_null or field.default is not None:
                raise Difference(f"field {field.json_name!r} is missing")
            return None
        value = value[field.json_name]
        if field.is_map and value is not None:
            kind = next(f for f in fields_of(field.of[1]) if f.name == "value")
            return {key: self.value(kind.kind, kind.of, item) for key, item in value.items()}
        return self.value(field.kind, field.of, value)

    def data(self, value):
        return base64.b64decode(value, validate=True)


class CapnpJson(Reader):
    """`capnp convert binary:json`."""

    tells_signed_zero = False
    tells_null_members = False

    def flag(self, field, value):
        return value[field.json_name]

    def active(self, members, value):
        present = [field for field in members if field.json_name in value]
        if len(present) > 1:
            raise Difference(f"{len(present)} members of a union")
        # The first member is left out where it is null.
        return present[0] if present else next(field for field in members if field.discriminant == 0)

    def field(self, field, value):
        value = value.get(field.json_name)
        if value is None:
            if field.kind == "group":
                value = {}
            elif not field.is_pointer and field.kind != "void":
                raise Difference(f"number {field.json_name!r} is missing")
            elif field.default is not None:
                return field.default
        return self.list_or_map(field, value)

    def value(self, kind, of, value):
        if kind in ("int64", "uint64"):
            if not isinstance(value, str):
                raise Difference(f"64-bit integer {value!r} is no text")
            value = int(value)
        return super().value(kind, of, value)

    def data(self, value):
        return bytes(value)


class Pycapnp(Reader):
    """pycapnp."""

    def flag(self, field, value):
        return getattr(value, field.name)

    def active(self, members, value):
        which = value.which()
        return next(field for field in members if field.name == which)

    def field(self, field, value):
        if field.is_pointer and not value._has(field.name):
            return field.default
        return self.list_or_map(field, getattr(value, field.name))

    def data(self, value):
        return bytes(value)


def expect_given(given, printed, path):
    """What a line gives must be printed; what is printed beyond it are defaults."""
    if isinstance(given, dict) and isinstance(printed, dict):
        for name, value in given.items():
            if value is None and name not in printed:
                continue
            if name not in printed:
                raise Difference(f"{path}.{name}: published as {value!r}, exported without")
            expect_given(value, printed[name], f"{path}.{name}")
    elif isinstance(given, list) and isinstance(printed, list) and len(given) == len(printed):
        for index, pair in enumerate(zip(given, printed)):
            expect_given(*pair, f"{path}[{index}]")
    elif strict(given) != strict(printed):
        raise Difference(f"{path}: published as {given!r}, exported as {printed!r}")


def strict(value):
    """JSON text in one form: told apart are 1, 1.0 and true, 0.0 and -0.0, which Python calls equal."""
    return json.dumps(value, sort_keys=True)


def differ(path, left, right):
    """Where two records in the one form differ first."""
    if isinstance(left, dict) and isinstance(right, dict):
        for name in sorted(left.keys() | right.keys()):
            if left.get(name, "absent") != right.get(name, "absent"):
                return differ(f"{path}.{name}", left.get(name, "absent"), right.get(name, "absent"))
    if isinstance(left, tuple) and isinstance(right, tuple) and len(left) == len(right):
        for index, (a, b) in enumerate(zip(left, right)):
            if a != b:
                return differ(f"{path}[{index}]", a, b)
    return f"{path}: {left!r} and {right!r}"


def run(*command, stdin=None):
    return subprocess.run(command, stdin=stdin, stdout=subprocess.PIPE, check=True).stdout


def read_lines(path):
    text = run("zstd", "-dcq", path) if path.endswith(".zst") else pathlib.Path(path).read_bytes()
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def check(arguments):
    kapok, store, record_type = arguments.kapok, arguments.store, arguments.type
    keys = arguments.key.split(",")
    given = read_lines(arguments.lines)
    exported = [json.loads(line) for line in run(kapok, "export", "--store", store, record_type).splitlines()]

    def key_of(record):
        return tuple(record[key] for key in keys)

    # 1. The lines and the export.
    if len(exported) != len(given):
        raise Difference(f"{len(given)} lines published, {len(exported)} records exported")
    by_key = {key_of(record): record for record in given}
    equal = 0
    for record in exported:
        line = by_key.pop(key_of(record), None)
        if line is None:
            raise Difference(f"exported a record that no line has: {key_of(record)}")
        if arguments.exact and strict(line) != strict(record):
            raise Difference(f"{key_of(record)}: published as {strict(line)}, exported as {strict(record)}")
        expect_given(line, record, str(key_of(record)))
        equal += strict(line) == strict(record)
    print(f"  lines = export: {len(exported)} records, {equal} of them to the last member, the others but for defaults")

    # 2. The tools, segment by segment.
    with tempfile.TemporaryDirectory() as folder:
        schema_path = pathlib.Path(folder) / "printed.capnp"
        schema_path.write_bytes(run(kapok, "schema", "--store", store, record_type))
        module = capnp.load(str(schema_path))
        root, schema = getattr(module, f"{record_type}Segment"), getattr(module, record_type).schema
        segments = json.loads(run(kapok, "segments", "--store", store, record_type, "--json"))
        row, counts = 0, {"capnp": 0, "pycapnp": 0}
        for segment in segments:
            if segment["dead_rows"]:
                raise Difference(f"dead rows in {segment['path']}, which was published whole")
            with open(segment["path"], "rb") as file:
                convert = ("capnp", "convert", "binary:json", str(schema_path), f"{record_type}Segment")
                printed = json.loads(run(*convert, stdin=file)).get("rows", [])
            data = pathlib.Path(segment["path"]).read_bytes()
            with root.from_bytes(data, traversal_limit_in_words=UNLIMITED, nesting_limit=128) as message:
                read = message.rows
                if not len(printed) == len(read) == segment["rows"]:
                    found = f"capnp {len(printed)}, pycapnp {len(read)}, kapok {segment['rows']}"
                    raise Difference(f"number of rows in {segment['path']}: {found}")
                for index in range(len(read)):
                    tools = (("capnp", CapnpJson, printed[index]), ("pycapnp", Pycapnp, read[index]))
                    for name, reader, value in tools:
                        try:
                            expected = KapokJson(reader).struct(schema, exported[row])
                            found = reader().struct(schema, value)
                        except Difference as difference:
                            raise Difference(f"{key_of(exported[row])}: {name}: {difference}") from difference
                        if found != expected:
                            where = differ(str(key_of(exported[row])), expected, found)
                            raise Difference(f"kapok and {name} differ in {segment['path']}: {where}")
                        counts[name] += 1
                    row += 1
        if row != len(exported):
            raise Difference(f"{len(exported)} records exported, {row} in the segments")
        for name, count in counts.items():
            print(f"  {name} = export: {count} records in {len(segments)} segment(s)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kapok", required=True, help="the kapok program")
    parser.add_argument("--store", required=True)
    parser.add_argument("--type", required=True)
    parser.add_argument("--key", required=True, help="JSON names of the key's fields, comma separated")
    parser.add_argument("--lines", required=True, help="what was published: JSON lines, plain or .zst")
    parser.add_argument("--exact", action="store_true", help="lines and export must be equal to the last member")
    arguments = parser.parse_args()
    try:
        check(arguments)
    except Difference as difference:
        sys.exit(f"interop: {arguments.type}: {difference}")


main()
