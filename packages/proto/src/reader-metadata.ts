/**
 * Metadata in which a caller of `heddle.Query` shows that it may read: an
 * encoded `common.Envelope` of type DELIVER_SEEK_INFO, signed for the channel, with a timestamp and the
 * hash of its TLS certificate (`tls_cert_hash`), as Deliver takes it.
 */
export const readerMetadataKey = 'heddle-reader-bin'
