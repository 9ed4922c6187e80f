@0xb8bedceac9abfdee;
# A record type for each kind of primary key.

using Kapok = import "/kapok.capnp";

enum Colour @0xc9cfedfbdabcaeff {
  red @0;
  green @1;
  blue @2;
}

struct ByU8 @0x91a0b1c2d3e4f501 $Kapok.key("k") {
  k @0 :UInt8;
  note @1 :Text;
}

struct ByU16 @0x91a0b1c2d3e4f502 $Kapok.key("k") {
  note @0 :Text;
  k @1 :UInt16 = 7;
}

struct ByU32 @0x91a0b1c2d3e4f503 $Kapok.key("k") {
  k @0 :UInt32;
  note @1 :Text;
}

struct ByU64 @0x91a0b1c2d3e4f504 $Kapok.key("k") {
  k @0 :UInt64;
  note @1 :Text;
}

struct ByI8 @0x91a0b1c2d3e4f505 $Kapok.key("k") {
  k @0 :Int8;
  note @1 :Text;
}

struct ByI16 @0x91a0b1c2d3e4f506 $Kapok.key("k") {
  k @0 :Int16 = -7;
  note @1 :Text;
}

struct ByI32 @0x91a0b1c2d3e4f507 $Kapok.key("k") {
  k @0 :Int32;
  note @1 :Text;
}

struct ByI64 @0x91a0b1c2d3e4f508 $Kapok.key("k") {
  k @0 :Int64;
  note @1 :Text;
}

struct ByBool @0x91a0b1c2d3e4f509 $Kapok.key("k") {
  k @0 :Bool = true;
  note @1 :Text;
}

struct ByEnum @0x91a0b1c2d3e4f50a $Kapok.key("k") {
  k @0 :Colour = green;
  note @1 :Text;
}

struct ByText @0x91a0b1c2d3e4f50b $Kapok.key("k") {
  k @0 :Text;
  note @1 :Text;
}

struct ByData @0x91a0b1c2d3e4f50c $Kapok.key("k") {
  k @0 :Data;
  note @1 :Text;
}

struct ByShortParts @0x91a0b1c2d3e4f50d $Kapok.key("colour,at.open,k") {
  k @0 :Int16;
  colour @1 :Colour;
  at :group {
    open @2 :Bool;
  }
  note @3 :Text;
}
struct ByLongParts @0x91a0b1c2d3e4f50e $Kapok.key("a,b") {
  a @0 :UInt64;
  b @1 :Int32;
  note @2 :Text;
}

struct ByTextAndInt @0x91a0b1c2d3e4f50f $Kapok.key("t,k") {
  t @0 :Text;
  k @1 :Int8;
  note @2 :Text;
}

struct ByDataAndText @0x91a0b1c2d3e4f510 $Kapok.key("d,t") {
  d @0 :Data;
  t @1 :Text;
  note @2 :Text;
}

struct ByTexts @0x91a0b1c2d3e4f511 $Kapok.key("s,t,u") {
  s @0 :Text;
  t @1 :Text;
  u @2 :Text;
  note @3 :Text;
}

