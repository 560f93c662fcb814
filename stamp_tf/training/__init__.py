"""Training with labels: at budgets, fine-tuning, a head on fixed features, statistics, evaluation."""
