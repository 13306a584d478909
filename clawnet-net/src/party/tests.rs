//! Parties that talk.
