package pgtest_test

import (
	"database/sql"
	"testing"

	"gatehouse/control/internal/pgtest"
)

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	for range 2 { // the second would find the first one's table
		db, err := sql.Open("pgx", pgtest.Start(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), `CREATE TABLE mine (id BIGINT)`); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestADatabaseIsDroppedWithItsTestEvenWhileItIsUsed(t *testing.T) {
	t.Parallel()
	var url string
	var left *sql.DB
	t.Run("a test that forgets its connection", func(t *testing.T) {
		url = pgtest.Start(t)
		var err error
		if left, err = sql.Open("pgx", url); err != nil {
			t.Fatal(err)
		}
		if err := left.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if err := left.PingContext(t.Context()); err == nil {
		t.Errorf("%s is still there", url)
	}
	_ = left.Close()
}
