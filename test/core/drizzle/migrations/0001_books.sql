CREATE TABLE `books` (`id` integer PRIMARY KEY NOT NULL, `author_id` integer REFERENCES `authors`(`id`));
