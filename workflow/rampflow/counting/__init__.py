"""What a step has done to its product, in numbers: flags set and cleared, what was subtracted, noise of the lines.

Functions on arrays. Products do not depend on them, so a change here makes no result anew; `rampflow.jobs.tally` takes
them over a product, and `rampflow.inspection.counts` has the form in which a record keeps what they find.
"""
