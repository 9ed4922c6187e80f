@0x9c5fca0ea109eb0a;
# Annotations that tell Kapok what Cap'n Proto's own schema language has no word for.
# A dataset's printed schema declares them again, with the same ids, so that it needs no import.

annotation key @0xf7291de39313eea8 (struct) :Text;
# Primary key of a record type: field names, comma separated where the key is composite.
# Integers, Bool, enums, Text and Data may be key fields.

annotation indexes @0xb2f6a0d49c81e573 (struct) :List(Text);
# Indexes of a record type beside that of its key, such as "hash(year)" and "hash(genres[])".
# Each counts when a dataset first sees it; one that was dropped stays so until it is added by name.

annotation references @0xb8c1f02d6e3a9f47 (struct) :List(Text);
# References that several fields make together, such as "edition: Edition(movieId, number)": a name, the record type that is
# referred to, and the fields that hold its key, in the order of the key.

annotation reference @0xd35a7e9c41b80f26 (field) :Text;
# On a number, Bool, enum, Text or Data field: its value is the key of a record of the named record type.

annotation vector @0xccebdc6615962e09 (field) :VectorSpace;
# A field that holds one vector of fixed dimension per record: a List(Float32), List(Int8), List(UInt8) or Data of bytes; a
# List(UInt16) of 16-bit floats (element = float16 or bfloat16); a Data of bits (element = bit).
# Segments hold such a field as a flat matrix: constant stride, first row 64-byte aligned.

annotation nullOf @0xdf34b6c854d9fcf2 (field) :Text;
# On a Bool field: true says that the named number or Bool field is null.

annotation map @0xfb88118952f87590 (field) :Void;
# On a list of structs of two fields, key and value: a JSON object with one member per entry.

annotation json @0xa31e1ce466686a85 (field) :Void;
# On a Text field: the text is JSON, and stands in a record's JSON as the value that it is.

enum Metric @0x99773155b6c746d6 {
  unspecified @0;
  l2 @1;
  cosine @2;
  innerProduct @3;
  hamming @4;
  # Of bits alone, and bits have no other.
}

enum VectorElement @0xe0c7a94d5b3f2816 {
  asType @0;
  # Numbers as the field's type has them; those of Data are bytes.
  float16 @1;
  # IEEE 754 of 16 bits, in a List(UInt16).
  bfloat16 @2;
  # The upper 16 bits of a Float32, in a List(UInt16).
  bit @3;
  # In Data, the lowest bit of a byte first.
}

struct VectorSpace @0xec355c8530cf18e2 {
  dimension @0 :UInt32;
  # Number of elements, of bits a multiple of 8; 0: that of the first record.
  metric @1 :Metric;
  element @2 :VectorElement;
}
