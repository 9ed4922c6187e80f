@0xb1f0e5f2e1f0b2c3;
# Small records, for versions in which many of them are dead.

using Kapok = import "/kapok.capnp";

struct Row @0xc2a1f6a3f2a1c3d4 $Kapok.key("id") {
  id @0 :UInt16;
  n @1 :UInt32;
}

struct Run @0xd3b2a7b4a3b2d4e5 $Kapok.key("id") {
  id @0 :UInt8;
  word @1 :Text;
}
