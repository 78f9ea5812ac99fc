package lists

// MaxSize is how much memory known lists may take.
const MaxSize = maxSize

// Known returns how many lists are known, how much memory they are thought to take, and how many are noted as seen once.
func (l *Lists) Known() (lists, size, noted int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.once {
		if l.once[i].Load() != 0 {
			noted++
		}
	}
	if l.known.Size() != len(l.ring) {
		panic("the lists in the map are not those in the ring")
	}
	return len(l.ring), l.size, noted
}

// Last returns the last answer to a list, nil if it is not known.
func (l *Lists) Last(text []byte) []byte {
	if found := l.find(text); found != nil {
		return found.last.Load().body
	}
	return nil
}
