package nats

// CutOff ends the store's connection for good, without a word to anybody.
func (s *Store) CutOff() { s.conn.Close() }
