@0xdadeeffceaebacbd;
# things-1.capnp, grown: fields, enumerants, union members and types were added, fields and types were renamed.

using Kapok = import "/kapok.capnp";

enum Condition @0xebefa0adbcfcbdce {
  fresh @0;
  used @1;
  broken @2;
}

struct Thing @0xfcf0b1becdadcedf $Kapok.key("number") {
  number @0 :UInt32;
  title @1 :Text;
  condition @2 :Condition;
  box @3 :Crate;
  union {
    none @4 :Void;
    amount @5 :UInt16;
    makers @7 :List(Maker);
  }
  note @6 :Text = "no note";
  stock @8 :Int64 = -5;
  embedding @9 :List(Float32) $Kapok.vector((dimension = 2, metric = l2));
}

struct Crate @0x8d01c2cfdebedfe0 {
  width @0 :Float32;
  height @1 :Float32 = 1.5;
  labels @2 :List(Text);
}

struct Maker @0xaf23e4e1f0d0f1a2 {
  name @0 :Text;
}

struct Gone @0x9e12d3d0efcfe0f1 $Kapok.key("name") {
  # Published anew with another key.
  name @0 :Text;
  back @1 :Bool = true;
}
