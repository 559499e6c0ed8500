"""Everything that one component says to another: requests in the imperative, facts in the past tense, all immutable."""
