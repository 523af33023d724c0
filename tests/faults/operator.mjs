/*
 * operator - what an operator does wrong.
 */
