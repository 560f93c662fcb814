"""Training with labels: at budgets, fine-tuning, a head in closed form, statistics, evaluation."""
