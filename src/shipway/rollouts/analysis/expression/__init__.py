"""The expression language of success and failure conditions (expr-lang, as Argo Rollouts embeds it).

    text --lexer--> tokens --parser--> nodes --checker--> typed --evaluator--> value

`evaluate_condition` is the surface, and `evaluate_time` for the ends of a range query. Everything is pure, bounded by a
step budget, and every refusal is an `ExpressionError` whose message says where: a condition that cannot be evaluated is an
*errored* measurement, never a failed one.
"""

from shipway.rollouts.analysis.expression.evaluator import evaluate_condition, evaluate_time
from shipway.rollouts.analysis.expression.lexer import ExpressionError

__all__ = ["ExpressionError", "evaluate_condition", "evaluate_time"]
