@0xb1f4c2d3e5a69788;
# Huts of an alpine club, as a user of Kapok would declare them.

using Kapok = import "/kapok.capnp";

struct Hut @0x9d2c41b5a0e7f386 $Kapok.key("id") {
  id @0 :Text;
  heightM @1 :UInt16;
  rooms @2 :List(Room);
  profile @3 :List(Float32) $Kapok.vector((dimension = 4, metric = l2));
  metric @4 :Kapok.Metric;

  struct Room {
    beds @0 :UInt8;
  }
}
