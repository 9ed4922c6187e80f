@0x8a9bacbdcedfe0f1;
# Example dataset that uses every kind of value that a record can hold.

using Kapok = import "/kapok.capnp";

enum Colour @0x9bacbdcedfe0f102 {
  red @0;
  green @1;
  blue @2;
}

struct Address @0xacbdcedfe0f10213 {
  street @0 :Text;
  city @1 :Text;
  zip @2 :UInt32;
}

struct Kinds @0xbdcedfe0f1021324 $Kapok.key("id,code") {
  id @0 :Int64;
  code @1 :Text;
  nothing @2 :Void;
  flag @3 :Bool;
  flagOn @4 :Bool = true;
  i8 @5 :Int8;
  i16 @6 :Int16 = -7;
  i32 @7 :Int32;
  u8 @8 :UInt8 = 200;
  u16 @9 :UInt16;
  u32 @10 :UInt32;
  u64 @11 :UInt64;
  f32 @12 :Float32 = 1.5;
  f64 @13 :Float64;
  colour @14 :Colour = green;
  text @15 :Text = "unnamed";
  data @16 :Data;
  address @17 :Address;
  place :group {
    lat @18 :Float64;
    lon @19 :Float64;
    label @20 :Text;
  }
  union {
    none @21 :Void;
    count @22 :UInt32;
    name @23 :Text;
    where @24 :Address;
    span :group {
      from @25 :UInt32;
      to @26 :UInt32;
    }
  }
  contact :union {
    email @27 :Text;
    phone @28 :UInt64;
  }
  voids @29 :List(Void);
  bools @30 :List(Bool);
  i8s @31 :List(Int8);
  i64s @32 :List(Int64);
  u16s @33 :List(UInt16);
  f32s @34 :List(Float32);
  f64s @35 :List(Float64);
  colours @36 :List(Colour);
  texts @37 :List(Text);
  datas @38 :List(Data);
  addresses @39 :List(Address);
  matrix @40 :List(List(Int32));
  groups @41 :List(List(Address));
  tree @42 :Tree;
  embedding @43 :List(Float32) $Kapok.vector((dimension = 4, metric = cosine));
  codes @44 :Data $Kapok.vector((dimension = 6));
}

struct Tree @0xcedfe0f102132435 {
  value @0 :Int32;
  children @1 :List(Tree);
}
