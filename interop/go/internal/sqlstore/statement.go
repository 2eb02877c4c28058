package sqlstore

import (
	"context"
	"database/sql"
	"regexp"
)

// statement is one with named parameters, as the driver writes them.
type statement struct {
	text       string
	parameters []string
}

// values are the parameters of one run, by their names.
type values map[string]any

var named = regexp.MustCompile(`:[a-z_]+`)

func (d *Dialect) compile(text string) statement {
	var made statement
	made.text = named.ReplaceAllStringFunc(text, func(name string) string {
		made.parameters = append(made.parameters, name[1:])
		return d.Placeholder(len(made.parameters))
	})
	return made
}

func (s *store) arguments(run statement, given values) []any {
	arguments := make([]any, len(run.parameters))
	for i, name := range run.parameters {
		if value, ok := given[name]; ok {
			arguments[i] = value
		} else {
			arguments[i] = s.fixed[name]
		}
	}
	return arguments
}

// execute runs a statement and tells how many rows it was about. It runs it again where the server says that it has
// done nothing, as in a deadlock.
func (s *store) execute(ctx context.Context, run statement, given values) (int64, error) {
	for try := 1; ; try++ {
		result, err := s.db.ExecContext(ctx, run.text, s.arguments(run, given)...)
		if err == nil {
			return result.RowsAffected()
		}
		if try == executeTries || !s.dialect.Repeatable(err) || ctx.Err() != nil {
			return 0, err
		}
	}
}

const executeTries = 5

func (s *store) row(ctx context.Context, run statement, given values) *sql.Row {
	return s.db.QueryRowContext(ctx, run.text, s.arguments(run, given)...)
}
