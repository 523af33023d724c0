/*
 * store - a disk that is full, broken or old, and the store and journal on it.
 */
