//! Against published notes, and against another implementation.
