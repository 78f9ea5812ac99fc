package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
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
)

// damage is what is wrong with a file.
type damage struct{ error }

func damaged(format string, args ...any) error { return damage{fmt.Errorf(format, args...)} }

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
func newestMeta(file *os.File) (meta, error) {
	first, err := readMeta(file, 0)
	if err != nil {
		return meta{}, err
	}
	second, err := readMeta(file, first.pageSize())
	newest := first
	if second.Txid > first.Txid {
		newest = second
	}
	if err == nil && (first.Txid%2 != 0 || first.Txid+second.Txid != 2*newest.Txid-1 || first.PageSize != second.PageSize) {
		err = damaged("the meta pages are of the transactions %d and %d", first.Txid, second.Txid)
	}
	return newest, err
}

func readMeta(file *os.File, offset int64) (m meta, err error) {
	var page [pageHeader + metaLength]byte
	if err := readFull(file, page[:], offset); err != nil {
		return m, err
	}
	data := page[pageHeader:]
	if _, err := binary.Decode(data, binary.NativeEndian, &m); err != nil {
		return m, err
	}
	hash := fnv.New64a()
	_, _ = hash.Write(data[:metaLength-8])
	if m.Magic != metaMagic || m.Version != metaVersion || m.Sum != hash.Sum64() || m.PageSize < 512 {
		return m, damaged("the meta page at byte %d is not valid", offset)
	}
	return m, nil
}

func readFull(file *os.File, buffer []byte, offset int64) error {
	_, err := file.ReadAt(buffer, offset)
	if errors.Is(err, io.EOF) {
		return damaged("it ends before byte %d", offset+int64(len(buffer)))
	}
	return err
}

// pages reads the pages of a file. Each one that is in use is read once, and checked.
type pages struct {
	file   *os.File
	meta   meta
	used   []bool  // by page
	inUse  int     // pages
	levels []*page // by depth
	low    []byte  // the last key that was read
	inner  page    // of a bucket
}

// openPages begins to read a file.
func openPages(file *os.File) (*pages, error) {
	newest, err := newestMeta(file)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if newest.End > uint64(info.Size()/newest.pageSize()) { //nolint:gosec // neither is negative
		return nil, damaged("it has %d bytes, and should have %d pages of %d", info.Size(), newest.End, newest.pageSize())
	}
	if newest.Freelist != noFreelist { // see options
		return nil, damaged("another program has written it: there is a list of free pages in it")
	}
	return &pages{file: file, meta: newest, used: make([]bool, newest.End), inUse: 2}, nil
}

// page is one with the pages that overflow from it.
type page struct {
	buffer   []byte
	leaf     bool
	elements []element
}

// element is one of a page: of a branch a key and the page below, of a leaf a key and a value.
type element struct {
	key, value []byte
	below      uint64
	bucket     bool // the value is a bucket
}

// read reads a page, and checks that its length is that of what it holds.
func (p *pages) read(id uint64, into *page) error {
	if id < 2 || id >= p.meta.End {
		return damaged("a page %d is referred to, and there are %d", id, p.meta.End)
	}
	size := p.meta.pageSize()
	offset := int64(id) * size //nolint:gosec // below the file's size
	head := slices.Grow(into.buffer[:0], int(size))[:size]
	if err := readFull(p.file, head, offset); err != nil {
		return err
	}
	count := 1 + uint64(binary.NativeEndian.Uint32(head[12:]))
	if binary.NativeEndian.Uint64(head) != id || count > p.meta.End-id {
		return damaged("page %d is not valid", id)
	}
	for i := id; i < id+count; i++ {
		if p.used[i] {
			return damaged("page %d is referred to twice", i)
		}
		p.used[i] = true
	}
	p.inUse += int(count)            //nolint:gosec // at most all pages of the file
	more := int(count-1) * int(size) //nolint:gosec // at most the file's size
	into.buffer = slices.Grow(head, more)[:int(size)+more]
	if err := readFull(p.file, into.buffer[size:], offset+size); err != nil {
		return err
	}
	used, err := into.parse(into.buffer)
	if err == nil && (used-1)/int(size) != more/int(size) {
		err = damaged("the length of page %d is not that of what it holds", id)
	}
	return err
}

// parse finds the elements of a page, and returns how many of its bytes are in use. It checks that all elements are within it, where bbolt puts them.
func (p *page) parse(data []byte) (used int, err error) {
	native := binary.NativeEndian
	if len(data) < pageHeader {
		return 0, damaged("it is shorter than a page's header")
	}
	flags, count := native.Uint16(data[8:]), int(native.Uint16(data[10:]))
	p.leaf, used = flags == leafFlag, pageHeader+elementSize*count
	if !p.leaf && (flags != branchFlag || count == 0) || used > len(data) {
		return 0, damaged("it is neither a leaf nor a branch of %d elements", count)
	}
	p.elements = p.elements[:0]
	for at := pageHeader; at < pageHeader+elementSize*count; at += elementSize {
		raw := data[at:]
		kind, position, keyLength, valueLength := uint32(0), native.Uint32(raw), native.Uint32(raw[4:]), uint32(0)
		if p.leaf {
			kind, position, keyLength, valueLength = position, keyLength, native.Uint32(raw[8:]), native.Uint32(raw[12:])
		}
		value := used + int(keyLength)
		end := value + int(valueLength)
		if kind > bucketFlag || at+int(position) != used || end > len(data) {
			return 0, damaged("the element at byte %d of a page is out of place or of an unknown kind", at)
		}
		p.elements = append(p.elements, element{data[used:value], data[value:end], native.Uint64(raw[8:]), kind == bucketFlag})
		used = end
	}
	return used, nil
}

// walk gives the elements of all leaves below a page in order. The keys of branches, too, are in that order.
func (p *pages) walk(id uint64, depth int, give func(element) error) error {
	if depth == len(p.levels) {
		p.levels = append(p.levels, new(page))
	}
	page := p.levels[depth]
	if err := p.read(id, page); err != nil {
		return err
	}
	for i, e := range page.elements {
		if c := bytes.Compare(e.key, p.low); c < 0 || c == 0 && i > 0 || len(e.key) == 0 {
			return damaged("the key %x is not where it belongs", e.key)
		}
		p.low = append(p.low[:0], e.key...)
		var err error
		if page.leaf {
			err = give(e)
		} else {
			err = p.walk(e.below, depth+1, give)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// valueIn returns the only value of a bucket. It is valid until the next one is read.
func (p *pages) valueIn(e element) ([]byte, error) {
	if !e.bucket || len(e.value) < bucketSize {
		return nil, damaged("%x is not a bucket", e.key)
	}
	inline := e.value[bucketSize:]
	if root := binary.NativeEndian.Uint64(e.value); root != 0 {
		if err := p.read(root, &p.inner); err != nil {
			return nil, err
		}
	} else if used, err := p.inner.parse(inline); err != nil || used != len(inline) {
		return nil, damaged("the inline bucket %x is not valid", e.key)
	}
	found := p.inner.elements
	if !p.inner.leaf || len(found) != 1 || found[0].bucket || !bytes.Equal(found[0].key, valueKey) {
		return nil, damaged("the bucket %x does not hold one value", e.key)
	}
	return found[0].value, nil
}
