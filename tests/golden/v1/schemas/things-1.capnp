@0xdadeeffceaebacbd;
# A schema before it grows; things-2.capnp is what comes of it.

using Kapok = import "/kapok.capnp";

enum State @0xebefa0adbcfcbdce {
  new @0;
  used @1;
}

struct Thing @0xfcf0b1becdadcedf $Kapok.key("id") {
  id @0 :UInt32;
  name @1 :Text;
  state @2 :State;
  box @3 :Box;
  union {
    none @4 :Void;
    count @5 :UInt16;
  }
}

struct Box @0x8d01c2cfdebedfe0 {
  width @0 :Float32;
}

struct Gone @0x9e12d3d0efcfe0f1 $Kapok.key("id") {
  # A record type that is dropped, and then published anew with another key.
  id @0 :Int32;
  name @1 :Text;
}
