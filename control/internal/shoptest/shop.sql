-- A shop as many are: keys that lead over three tables, one that leads back to
-- its own table, two tables that refer to each other, one between two, one that
-- knows people by their address, one without any key.
CREATE TABLE products (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name TEXT NOT NULL
);
CREATE TABLE customers (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	number VARCHAR(20) NOT NULL UNIQUE,
	email VARCHAR(254) NOT NULL UNIQUE,
	full_name TEXT NOT NULL,
	phone TEXT,
	birth_date DATE,
	referred_by BIGINT REFERENCES customers (id),
	default_address BIGINT,
	restricted BOOLEAN NOT NULL DEFAULT false,
	created TIMESTAMPTZ NOT NULL DEFAULT '2026-01-01 00:00:00+00'
);
CREATE TABLE addresses (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	customer_id BIGINT NOT NULL REFERENCES customers (id),
	street TEXT NOT NULL,
	city TEXT NOT NULL
);
ALTER TABLE customers ADD FOREIGN KEY (default_address) REFERENCES addresses (id);
CREATE TABLE orders (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	customer_id BIGINT NOT NULL REFERENCES customers (id),
	ship_to BIGINT REFERENCES addresses (id),
	placed TIMESTAMPTZ NOT NULL DEFAULT '2026-01-02 00:00:00+00',
	total NUMERIC(20, 2) NOT NULL,
	note TEXT
);
CREATE TABLE order_items (
	order_id BIGINT NOT NULL REFERENCES orders (id) ON DELETE RESTRICT,
	line INTEGER NOT NULL,
	product_id BIGINT NOT NULL REFERENCES products (id),
	engraving TEXT,
	PRIMARY KEY (order_id, line)
);
CREATE TABLE invoices (
	id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
	number TEXT NOT NULL UNIQUE,
	order_id BIGINT REFERENCES orders (id),
	bill_name TEXT NOT NULL,
	bill_email TEXT NOT NULL,
	total NUMERIC(20, 2) NOT NULL
);
CREATE TABLE reviews (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	customer_id BIGINT NOT NULL REFERENCES customers (id),
	product_id BIGINT NOT NULL REFERENCES products (id),
	reply_to BIGINT REFERENCES reviews (id) ON DELETE RESTRICT,
	body TEXT NOT NULL
);
CREATE TABLE wishlists (
	customer_id BIGINT NOT NULL REFERENCES customers (id),
	product_id BIGINT NOT NULL REFERENCES products (id),
	note TEXT,
	PRIMARY KEY (customer_id, product_id)
);
CREATE TABLE newsletter (
	email TEXT PRIMARY KEY,
	topics JSONB NOT NULL
);
CREATE TABLE tickets (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	customer_id BIGINT NOT NULL REFERENCES customers (id),
	subject TEXT NOT NULL
);
CREATE TABLE ticket_messages (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	ticket_id BIGINT NOT NULL REFERENCES tickets (id),
	body TEXT NOT NULL
);
CREATE TABLE visits (
	customer_number TEXT NOT NULL,
	ip INET NOT NULL,
	user_agent TEXT NOT NULL
);
CREATE INDEX ON addresses (customer_id);
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON reviews (customer_id);
CREATE INDEX ON visits (customer_number);
INSERT INTO products (name) SELECT 'product ' || n FROM generate_series(1, 20) n;
