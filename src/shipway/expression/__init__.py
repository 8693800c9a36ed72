"""The expression language of success and failure conditions (expr-lang, as Argo Rollouts embeds it).

    text --lexer--> tokens --parser--> nodes --checker--> typed --evaluator--> value

`evaluate_condition` is the surface, `evaluate_time` for the ends of a range query, and `evaluate` over other names than
`result` (`check_syntax` says beforehand whether it can be read). Everything is pure, bounded by a step budget, and every
refusal is an `ExpressionError` whose message says where: a condition that cannot be evaluated is an *errored* measurement,
never a failed one.
"""

from shipway.expression.evaluator import check_syntax, evaluate, evaluate_condition, evaluate_time
from shipway.expression.lexer import ExpressionError

__all__ = ["ExpressionError", "check_syntax", "evaluate", "evaluate_condition", "evaluate_time"]
