//! A bench of other metrics libraries, with nothing to import.
