/* The faults of chain nodes (tests/faults), each a few times. */
import { testRows } from '../faults/suite.mjs';

testRows('L');
