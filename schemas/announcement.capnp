@0xd1a3c5e7f9b82640;
# The two other named files of a store, each the payload of a sealed file (see FORMAT.md).

struct Announcement @0x8f0e2d4c6ba98765 {
  # An entry of the log: the whole answer to "which version should consumers be on".
  formatVersion @0 :UInt32;
  requiredFeatures @1 :List(Text);
  sequence @2 :UInt64;
  # From 1. Also the name of the file.
  announced @3 :UInt64;
  # Newest version to be on; 0 for none.
  pinned @4 :UInt64;
  # Version that holds every consumer whatever is announced; 0 for none.
  action @5 :Text;
  # "announce", "pin", "unpin" or "rollback".
  by @6 :Text;
  reason @7 :Text;
  createdUnixMs @8 :Int64;
  writerToken @9 :Data;
  # 16 random bytes: settles a create whose reply was lost.
  highest @10 :UInt64;
  # Highest version that was ever announced: above `announced` after a rollback. 0, or less than `announced`, in an entry
  # of a writer that does not know this field: read it as `announced`.
}

struct Marker @0xe4d6c8bafa987531 {
  # The file `dataset`: says that this prefix is a store, and of which format.
  formatVersion @0 :UInt32;
  requiredFeatures @1 :List(Text);
  conditionalWritesProbed @2 :Bool;
  # Eight concurrent creates of one name were seen to have one winner.
  createdUnixMs @3 :Int64;
  writerToken @4 :Data;
}
