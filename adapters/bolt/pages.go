package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt itself does not notice all damage, and cannot tell all that it notices: of two meta pages it takes the older one if the newer one is
// damaged, it reads a mapped file, and it panics, also in goroutines that nobody else can recover. So before bbolt opens a file for writing, this
// part reads it whole, page by page, with ordinary reads. It knows version 2 of bbolt's format, which has been the same since 2014; numbers are in
// the machine's byte order.

const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaLength  = 64

	pageHeader  = 16 // id 8, flags 2, count 2, overflow 4
	elementSize = 16 // of a branch: position 4, key length 4, page 8; of a leaf: flags 4, position 4, key length 4, value length 4
	bucketSize  = 16 // root page 8, sequence 8; with root 0 an inline page follows

	branchFlag = 1
	leafFlag   = 2
	bucketFlag = 1 // of an element of a leaf

	noFreelist = 1<<64 - 1

	deepest = 64 // more levels than any tree has
)

// damage is what is wrong with a file.
type damage string

// Error implements error.
func (d damage) Error() string { return string(d) }

func damaged(format string, args ...any) error { return damage(fmt.Sprintf(format, args...)) }

// meta is a meta page after its header.
type meta struct {
	Magic, Version, PageSize, _ uint32
	Root, _                     uint64
	Freelist                    uint64 // the page with the list of free pages
	End                         uint64 // the first page that was never used
	Txid, Sum                   uint64
}

func (m meta) pageSize() int64 { return int64(m.PageSize) }

// newestMeta returns the later one of a file's two meta pages. Each transaction replaces the older one with one write within one sector, so both are
// valid always.
func newestMeta(file io.ReaderAt) (meta, error) {
	first, err := readMeta(file, 0)
	if err != nil {
		return meta{}, err
	}
	second, err := readMeta(file, first.pageSize())
	if err != nil {
		return meta{}, err
	}
	newer, older := first, second
	if second.Txid > first.Txid {
		newer, older = second, first
	}
	if newer.Txid != older.Txid+1 || first.Txid%2 != 0 || newer.pageSize() != older.pageSize() {
		return meta{}, damaged("the meta pages are of the transactions %d and %d", first.Txid, second.Txid)
	}
	return newer, nil
}

func readMeta(file io.ReaderAt, offset int64) (meta, error) {
	var page [pageHeader + metaLength]byte
	if err := readFull(file, page[:], offset); err != nil {
		return meta{}, err
	}
	data := page[pageHeader:]
	var m meta
	if _, err := binary.Decode(data, binary.NativeEndian, &m); err != nil {
		return meta{}, err
	}
	hash := fnv.New64a()
	_, _ = hash.Write(data[:metaLength-8])
	if m.Magic != metaMagic || m.Version != metaVersion || m.Sum != hash.Sum64() || m.PageSize < 512 {
		return meta{}, damaged("the meta page at byte %d is not valid", offset)
	}
	return m, nil
}

func readFull(file io.ReaderAt, buffer []byte, offset int64) error {
	n, err := file.ReadAt(buffer, offset)
	if n == len(buffer) {
		return nil
	}
	if err == io.EOF {
		return damaged("it ends before byte %d", offset+int64(len(buffer)))
	}
	return err
}

// pages reads the pages of a file. Each one that is in use is read once, and checked.
type pages struct {
	file    io.ReaderAt
	meta    meta
	used    []bool   // by page
	inUse   int      // pages
	buffers [][]byte // by depth
}

// openPages begins to read a file of that size.
func openPages(file io.ReaderAt, size int64) (*pages, error) {
	newest, err := newestMeta(file)
	if err != nil {
		return nil, err
	}
	if newest.End > uint64(size/newest.pageSize()) { //nolint:gosec // neither is negative
		return nil, damaged("it has %d bytes, and should have %d pages of %d", size, newest.End, newest.pageSize())
	}
	if newest.Freelist != noFreelist { // see options
		return nil, damaged("another program has written it: there is a list of free pages in it")
	}
	return &pages{file: file, meta: newest, used: make([]bool, newest.End), inUse: 2, buffers: make([][]byte, deepest)}, nil
}

// read returns a page with the pages that overflow from it. It is valid until another one of that depth is read.
func (p *pages) read(id uint64, depth int) ([]byte, error) {
	if id < 2 || id >= p.meta.End || depth >= deepest {
		return nil, damaged("a page %d is referred to, at depth %d of %d pages", id, depth, p.meta.End)
	}
	offset := int64(id) * p.meta.pageSize() //nolint:gosec // below the file's size
	var head [pageHeader]byte
	if err := readFull(p.file, head[:], offset); err != nil {
		return nil, err
	}
	count := 1 + uint64(binary.NativeEndian.Uint32(head[12:]))
	if binary.NativeEndian.Uint64(head[:]) != id || count > p.meta.End-id {
		return nil, damaged("page %d is not valid", id)
	}
	for i := id; i < id+count; i++ {
		if p.used[i] {
			return nil, damaged("page %d is referred to twice", i)
		}
		p.used[i] = true
	}
	p.inUse += int(count)                         //nolint:gosec // at most all pages of the file
	length := int(count) * int(p.meta.pageSize()) //nolint:gosec // at most the file's size
	if cap(p.buffers[depth]) < length {
		p.buffers[depth] = make([]byte, length)
	}
	page := p.buffers[depth][:length]
	return page, readFull(p.file, page, offset)
}

// element is one of a page: of a branch a key and the page below, of a leaf a key and a value.
type element struct {
	key, value []byte
	page       uint64
	bucket     bool // the value is a bucket
	depth      int  // of its page
}

// parse returns the elements of a page, and how many of its bytes are in use. It checks that all elements are within it, where bbolt puts them.
func parse(page []byte) (found []element, leaf bool, used int, err error) {
	native := binary.NativeEndian
	flags, count := native.Uint16(page[8:]), int(native.Uint16(page[10:]))
	leaf, used = flags == leafFlag, pageHeader+elementSize*count
	if !leaf && (flags != branchFlag || count == 0) || used > len(page) {
		return nil, false, 0, damaged("it is neither a leaf nor a branch of %d elements", count)
	}
	found = make([]element, count)
	for i := range found {
		at := pageHeader + elementSize*i
		raw := page[at:]
		kind, position, keyLength, valueLength := uint32(0), native.Uint32(raw), native.Uint32(raw[4:]), uint32(0)
		if leaf {
			kind, position, keyLength, valueLength = position, keyLength, native.Uint32(raw[8:]), native.Uint32(raw[12:])
		}
		value := used + int(keyLength)
		end := value + int(valueLength)
		if kind > bucketFlag || at+int(position) != used || end > len(page) {
			return nil, false, 0, damaged("element %d is out of place or of an unknown kind", i)
		}
		found[i] = element{key: page[used:value], value: page[value:end], page: native.Uint64(raw[8:]), bucket: kind == bucketFlag}
		used = end
	}
	return found, leaf, used, nil
}

// walk gives the elements of all leaves below a page in order. Their keys are at least low, and below high if that is not nil.
func (p *pages) walk(id uint64, low, high []byte, depth int, give func(element) error) error {
	page, err := p.read(id, depth)
	if err != nil {
		return err
	}
	used, err := p.walkPage(page, low, high, depth, give)
	if size := int(p.meta.pageSize()); err == nil && (used+size-1)/size != len(page)/size {
		err = damaged("the length of page %d is not that of what it holds", id)
	}
	return err
}

// walkPage is walk for a page that was read. It returns how many bytes of it are in use.
func (p *pages) walkPage(page []byte, low, high []byte, depth int, give func(element) error) (used int, err error) {
	found, leaf, used, err := parse(page)
	for i := 0; i < len(found) && err == nil; i++ {
		e := found[i]
		if c := bytes.Compare(e.key, low); c < 0 || c == 0 && i > 0 || high != nil && bytes.Compare(e.key, high) >= 0 {
			return 0, damaged("the key %x is not where it belongs", e.key)
		}
		low = e.key
		if leaf {
			e.depth = depth
			err = give(e)
			continue
		}
		next := high
		if i+1 < len(found) {
			next = found[i+1].key
		}
		err = p.walk(e.page, e.key, next, depth+1, give)
	}
	return used, err
}

// bucket gives the elements of the bucket in e in order.
func (p *pages) bucket(e element, give func(element) error) error {
	if !e.bucket || len(e.value) < bucketSize {
		return damaged("%.20q is not a bucket", e.key)
	}
	if root := binary.NativeEndian.Uint64(e.value); root != 0 {
		return p.walk(root, nil, nil, e.depth+1, give)
	}
	page := e.value[bucketSize:]
	if len(page) < pageHeader || binary.NativeEndian.Uint16(page[8:]) != leafFlag {
		return damaged("an inline bucket is not valid")
	}
	used, err := p.walkPage(page, nil, nil, e.depth, give)
	if err == nil && used != len(page) {
		err = damaged("an inline bucket is not valid")
	}
	return err
}

// sequence returns the sequence of the bucket in e, which bucket has taken.
func (e element) sequence() uint64 { return binary.NativeEndian.Uint64(e.value[8:]) }
