/*
 * core - a KMS Core and a storage that are away, forget, refuse, or say what is not so.
 */
