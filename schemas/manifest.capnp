@0xc55ce982b2882f05;
# What a version is: its schema, its segments, what is dead in them, its indexes, what changed.
# A manifest is stored as the payload of a sealed file (see FORMAT.md).

using Schema = import "/capnp/schema.capnp";

struct Manifest @0xd787bc9bcc36c948 {
  formatVersion @0 :UInt32;
  # Version of the format as a whole. A reader refuses one that it does not know.
  requiredFeatures @1 :List(Text);
  # Features that a reader must know to read this version correctly; it refuses unknown ones.
  version @2 :UInt64;
  # From 1. Also the name of the file.
  parent @3 :UInt64;
  # The version that this one was derived from; 0 for none.
  createdUnixMs @4 :Int64;
  writer @5 :Text;
  # Who made it: free text for people.
  writerToken @6 :Data;
  # 16 random bytes of the cycle that made it: settles a commit whose reply was lost.
  announceItself @7 :Bool;
  # Whether this version is to be announced by itself, should its producer have died before it could.
  nodes @8 :List(Schema.Node);
  # Every struct and enum type that a record type reaches.
  recordTypes @9 :List(RecordType);
  # Sorted by name.
  tags @10 :List(Tag);
  # Sorted by key.
  logSequence @11 :UInt64;
  # The last entry of the announcement log when the version that this one builds on was chosen; 0 for an empty log. A
  # rollback behind that entry says that this version is not wanted, so it is not announced by itself.
}

struct RecordType @0xfe8d2fe0babae1c1 {
  name @0 :Text;
  # Unqualified name of the record's struct; unique in the dataset.
  typeId @1 :UInt64;
  # Id of the record's struct in Manifest.nodes.
  key @2 :List(Text);
  # Names of the primary key's fields.
  rows @3 :UInt64;
  # Live records.
  segments @4 :List(Segment);
  changes @5 :Changes;
  # Against the parent version.
  declared @6 :Bool;
  # The schema was declared, not inferred: later records do not add to it unless they are told to.
  input @7 :Data;
  # Hash of the input that all records were read from, 32 bytes; none if they were changed otherwise since.
  indexes @8 :List(IndexSpec);
  # Indexes that every segment is to have beside that of the primary key, sorted by name.
  droppedIndexes @9 :List(Text);
  # Names of indexes that the struct's annotation declares and that were dropped, sorted.
  keyRevision @10 :UInt32;
  # Revision of the rules by which its keys become bytes; that of its first version, for ever.
}

struct IndexSpec @0xd3a8c5e1f0b74296 {
  name @0 :Text;
  # What its artifacts are called; never changes.
  kind @1 :Text;
  # "hash", for example.
  fields @2 :List(Text);
  # Paths of the indexed fields: names joined by dots, "[]" behind a list that is gone through.
  filter @3 :Text;
  # Only rows that satisfy this expression, by JSON names, are in it; empty for all.
  revision @4 :UInt32;
  # Revision of the rules by which segments become artifacts of this kind.
  options @5 :List(Tag);
  # What else the kind is told, sorted by key.
}

struct Segment @0x81ad07e8a73f059d {
  id @0 :Data;
  # BLAKE3 of the mapped bytes, 32 bytes.
  size @1 :UInt64;
  # In bytes.
  rows @2 :UInt32;
  # Rows in the segment, dead ones included.
  dead @3 :UInt32;
  # Rows that the tombstones name.
  firstKey @4 :Data;
  lastKey @5 :Data;
  # Key of the first and of the last row, in the order-preserving encoding of FORMAT.md.
  extents @6 :List(Extent);
  # Where each field's objects lie: first the rows, then one per pointer field that has any.
  tombstones :union {
    none @7 :Void;
    inline @8 :Data;
    # Serialized roaring bitmap of dead rows.
    blob @9 :Data;
    # BLAKE3 id of tombstones/<id>, which holds the same.
  }
  artifacts @10 :List(Artifact);
  writerRevision @11 :UInt32;
  # Revision of the rules by which records become bytes.
  strictTree @12 :Bool;
  # Written without sharing: every object has one pointer to it.
  mergedFrom @13 :List(MergeSource);
  # What a merged segment was made of; empty for a segment made from records.
}

struct MergeSource @0xa55db15886d6e44b {
  segment @0 :Data;
  # Id of an input segment.
  dropped @1 :Data;
  # Serialized roaring bitmap of the rows left behind; empty for none.
  size @2 :UInt64;
  # Of the input segment, in bytes.
  rows @3 :UInt32;
  # Rows in it, those left behind included.
}

struct Extent @0xa9584a7195f05500 {
  field @0 :Text;
  # Name of the top-level field; empty for the row structs themselves.
  offset @1 :UInt64;
  # In bytes from the start of the file.
  size @2 :UInt64;
  stride @3 :UInt32;
  # In bytes, for the rows and for vector fields; 0 for other fields.
}

struct Artifact @0xb0feeefcbcfd9d84 {
  kind @0 :Text;
  # "unique", for example.
  name @1 :Text;
  # Tells artifacts of one kind apart: the fields that it covers, comma separated.
  id @2 :Data;
  # BLAKE3 of the file indexes/<id>.
  size @3 :UInt64;
}

struct Changes @0x9ef2c2a4ae7b9c31 {
  complete @0 :Bool;
  # False: not listed, compare the two versions instead.
  added @1 :List(RowSet);
  # Rows of this version that its parent does not have.
  removed @2 :List(RowSet);
  # Rows of the parent version that this one does not have.
}

struct RowSet @0xb7d5f1c3a9e84d62 {
  segment @0 :Data;
  rows @1 :Data;
  # Serialized roaring bitmap.
}

struct Tag @0xc3e1b5a7d9f86420 {
  key @0 :Text;
  value @1 :Text;
}
