/*
 * submit - what becomes of transactions, and what is said of it.
 */
