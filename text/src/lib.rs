//! The C face declared in include/mm_text.h. Every entry catches panics.

mod chat;
mod ffi;
mod pyjson;
mod pystr;
mod tokenizer;
