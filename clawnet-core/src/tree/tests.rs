//! Against the vectors of others, and against the definition read naively.
