"""The sections of the evaluation report, one module each: an evaluation in, a `Section` out."""
