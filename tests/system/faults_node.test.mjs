/* The faults of disk, processes and operators (tests/faults), each a few times. */
import { testRows } from '../faults/suite.mjs';

testRows('CPO');
