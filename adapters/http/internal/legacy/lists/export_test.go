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
	l.known.Range(func(_ uint64, known *list) bool {
		size += known.size
		return true
	})
	if size != l.size {
		panic("the lists in the map are not those that are counted")
	}
	return l.known.Size(), size, noted
}

// Last returns the last answer to a list, nil if it is not known.
func (l *Lists) Last(text []byte) []byte {
	if found := l.find(text); found != nil {
		return found.last.Load().body
	}
	return nil
}
