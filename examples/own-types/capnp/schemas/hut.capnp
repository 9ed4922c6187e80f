@0xc2a7d81f5be04936;

using Kapok = import "/kapok.capnp";

struct Hut $Kapok.key("id") {
  id @0 :Text;
  heightM @1 :UInt16;
  rooms @2 :List(Room);

  struct Room {
    beds @0 :UInt8;
  }
}
