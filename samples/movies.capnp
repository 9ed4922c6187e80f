@0xab12cd34ef56a789;
# Example dataset: films and what people thought of them.

using Kapok = import "/kapok.capnp";

struct Movie @0xd0c1b2a394857667 $Kapok.key("id") {
  id @0 :UInt32;
  title @1 :Text;
  year @2 :UInt16;
  genres @3 :List(Text);
  runtimeMin @4 :UInt16;
}

struct Rating @0xe1d2c3b4a5968778 $Kapok.key("movieId,source") {
  movieId @0 :UInt32;
  source @1 :Source;
  score @2 :Float32;
  votes @3 :UInt32;

  enum Source @0xf2e3d4c5b6a79889 {
    critics @0;
    audience @1;
  }
}
