//! Sentences of the engine in Korean: what it says in English, with holes for what it fills in.
