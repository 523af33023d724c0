/* The faults of the Core, the storage and transactions (tests/faults), each a few times. */
import { testRows } from '../faults/suite.mjs';

testRows('XT');
