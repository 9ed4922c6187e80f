@0xc1a7e5d3b2f49687;
# What kinds.capnp lacks: annotations, defaults of pointer fields, lists of the other element types, nesting.

using Kapok = import "/kapok.capnp";

annotation name @0xfa5b1fd61c2e7c3d (field, enumerant, group, union) :Text;
# That of json.capnp.

enum Level @0xd2b8f6e4c3a59788 {
  low @0;
  veryHigh @1 $name("very high");
}

struct Pair @0xe3c9a7f5d4b6a899 {
  key @0 :Text;
  value @1 :Int64;
}

struct Numbered @0xf4dab8a6e5c7b9aa {
  key @0 :UInt32;
  value @1 :Leaf;
}

struct Leaf @0x85ebc9b7f6d8cabb {
  label @0 :Text;
  union {
    weight @1 :Float32;
    parts @2 :List(Text);
    pair :group {
      left @3 :Int16;
      right @4 :Data;
    }
  }
}

struct Extras @0x96fcdac8a7e9dbcc $Kapok.key("place.code") {
  place :group {
    code @0 :UInt16;
    inner :group {
      depth @1 :Int32 = -1;
      label @2 :Text;
    }
  }
  price @3 :Int64;
  priceIsNull @4 :Bool $Kapok.nullOf("price");
  open @5 :Bool = true;
  openIsNull @6 :Bool $Kapok.nullOf("open");
  ratio @7 :Float64 = 0.5;
  ratioIsNull @8 :Bool $Kapok.nullOf("ratio");
  prices @9 :List(Pair) $Kapok.map;
  leaves @10 :List(Numbered) $Kapok.map;
  anything @11 :Text $Kapok.json;
  theName @12 :Text $name("the name");
  level @13 :Level = veryHigh;
  measure :group $name("a measure") {
    size @14 :UInt64 = 18446744073709551615;
    unit @15 :Text = "m";
  }
  choice :union $name("a choice") {
    nothing @16 :Void;
    leaf @17 :Leaf = (label = "default", parts = ["p", "q"]);
    level @18 :Level $name("its level");
    many @19 :List(Leaf);
  }
  greeting @20 :Text = "hello";
  magic @21 :Data = 0x"00 ff 10 80";
  primes @22 :List(UInt8) = [2, 3, 5, 7];
  words @23 :List(Text) = ["one", "two"];
  leafOf @24 :Leaf = (label = "l", weight = 1.25);
  i16s @25 :List(Int16);
  i32s @26 :List(Int32);
  u8s @27 :List(UInt8);
  u32s @28 :List(UInt32);
  u64s @29 :List(UInt64);
  cube @30 :List(List(List(Text)));
  levels @31 :List(List(Level));
  flags @32 :List(List(Bool));
  blobs @33 :List(List(Data));
  small @34 :List(Int8) $Kapok.vector((dimension = 3, metric = innerProduct));
  free @35 :List(Float32) $Kapok.vector((metric = l2));
}

struct Strict @0xa7adebd9b8faecdd $Kapok.key("name") {
  # Published without sharing.
  name @0 :Text;
  leaf @1 :Leaf;
  words @2 :List(Text);
  again @3 :List(Text);
}
