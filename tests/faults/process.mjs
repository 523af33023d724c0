/*
 * process - processes that die, hang or do not understand each other.
 */
