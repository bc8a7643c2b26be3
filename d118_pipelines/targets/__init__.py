"""What a target is: its YAML and SQL, rules, bytes, plan, guard and ledger."""
