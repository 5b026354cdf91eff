//! One call of a key service, shared by everybody who asks the same at the same time.
