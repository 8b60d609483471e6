// Package postgres carries people's rights out in a PostgreSQL that somebody
// else's application owns, as the data map says.
//
// It promises: which rows are a person's is asked of the database by the map's
// keys and joins, and by nothing else; an erasure is one transaction, so it has
// happened wholly or not at all, however it was cut off; its order comes from the
// foreign keys that are really there, and what cannot work, or would touch a row
// that is not the person's, is refused with nothing changed; a plan is the
// erasure itself, taken back. Names are quoted, values are parameters, each
// statement has a time-out, and no error repeats a value.
//
// It does not make backups forget, nor what the database has sent elsewhere:
// replicas follow, archives and queues do not. Rows that are written while an
// erasure runs may stay; the read-back finds them, and the next attempt takes
// them. It sees what its role sees: row security that would hide rows is an error.
package postgres
