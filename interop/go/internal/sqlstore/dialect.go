// Package sqlstore keeps sessions in beego's table of a SQL database. What is different from one database to another is
// a Dialect.
//
// A row has the moment of its last write as its expiry, and lives for the lifetime of sessions from then on. The clock
// is always the database's. There are no revocation marks: what is not there, a blind UPDATE does not bring back.
package sqlstore

// Dialect is the SQL of one kind of database: expressions with parameters of the form :name, and what its driver's
// errors mean. The parameters are :sid, :digest, :lifetime in seconds, and those in Extra.
type Dialect struct {
	// Provider is beego's name of the provider.
	Provider string
	// Placeholder returns how the driver writes the parameter with this number, from 1 on.
	Placeholder func(number int) string
	// Matches says that this row is that of :sid, in exactly these letters.
	Matches string
	// Live and Expired say whether this row has expired.
	Live, Expired string
	// Now is what to store as the moment of the write.
	Now string
	// Data is the stored bytes, and Unchanged says that they are still those of :digest.
	Data, Unchanged string
	// IfTaken ends an INSERT that is to do nothing where the key is taken; without it, that is an error.
	IfTaken string
	// Extra are further parameters.
	Extra map[string]any
	// Digest returns what the database's own hash makes of a record.
	Digest func(data []byte) any
	// Taken tells that an error says that a row has this key.
	Taken func(err error) bool
	// Repeatable tells that an error says that nothing was done, and may be in a moment: a deadlock, for example.
	Repeatable func(err error) bool
	// TooLarge tells that an error says that the data does not fit.
	TooLarge func(err error) bool
	// Tell returns what may be shown of an error of the server's, and "" of other errors.
	Tell func(err error) string
}
