//! The one provider of cryptography for TLS in this process.

/// Makes ring the provider that rustls uses where none is named. Doing it again changes nothing.
pub fn install_crypto_provider() {
    // Fails only where a provider is there already, and then it is this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
